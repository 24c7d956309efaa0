import { useState } from 'preact/hooks'
import { CopyButton } from '../../components/copy.tsx'
import { commandsFor } from '../../model/commands.ts'
import type { Kind } from '../../model/kind.ts'
import type { Reference } from '../../model/reference.ts'

/** Commands to copy, by tag or by digest. */
export function Commands({ reference, digest, kind }: { reference: Reference; digest: string; kind: Kind }) {
  const { repository, tag } = reference
  const [isByDigest, setByDigest] = useState(tag === undefined)
  const commands = commandsFor(
    isByDigest || tag === undefined ? { repository, digest } : { repository, tag },
    kind,
  )
  return (
    <section class="section" aria-label="Commands">
      <div class="section-head">
        <h2>Commands</h2>
        {tag !== undefined && (
          <fieldset class="switch">
            <legend class="visually-hidden">Name the image</legend>
            <label>
              <input type="radio" name="by" checked={!isByDigest} onChange={() => setByDigest(false)} />
              <span>by tag</span>
            </label>
            <label>
              <input type="radio" name="by" checked={isByDigest} onChange={() => setByDigest(true)} />
              <span>by digest</span>
            </label>
          </fieldset>
        )}
      </div>
      <ul class="commands">
        {commands.map(({ tool, text }) => (
          <li key={tool}>
            <code>{text}</code>
            <CopyButton text={text} label={`command for ${tool}`} />
          </li>
        ))}
      </ul>
    </section>
  )
}
