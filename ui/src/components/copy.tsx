import { useState } from 'preact/hooks'
import { shortDigest } from '../model/format.ts'
import { copy } from '../state.ts'
import { Icon } from './icon.tsx'

/** A button that copies a text.
 *  @param isSecret true if the text must not be shown in a message */
export function CopyButton({
  text,
  label,
  isSecret = false,
}: {
  text: string
  label: string
  isSecret?: boolean
}) {
  const [isCopied, setCopied] = useState(false)
  const run = async () => {
    await copy(text, isSecret ? label : text)
    setCopied(true)
    setTimeout(() => setCopied(false), 1500)
  }
  return (
    <button
      type="button"
      class="icon-button"
      title={`Copy ${label}`}
      aria-label={`Copy ${label}`}
      onClick={run}
    >
      <Icon name={isCopied ? 'check' : 'copy'} />
    </button>
  )
}

/** The first characters of a digest, to copy whole. */
export function Digest({ digest }: { digest: string }) {
  return (
    <span class="digest">
      <code title={digest}>{shortDigest(digest)}</code>
      <CopyButton text={digest} label={`digest ${shortDigest(digest)}`} />
    </span>
  )
}
