import { useState } from 'preact/hooks'
import { getBlobText, MAX_SHOWN_BYTES } from '../../api/registry.ts'
import { Scrolled } from '../../components/scrolled.tsx'
import { Loaded } from '../../components/states.tsx'
import { useLoad } from '../../components/use-load.ts'
import type { Descriptor } from '../../model/manifest.ts'
import { readStatement, type Statement } from '../../model/statement.ts'

const TEXT = /json|text|yaml|xml|toml|spdx|cyclonedx|in-toto|sarif|simplesigning|markdown/
const PACKED = /gzip|zstd|tar|zip|octet/

/** What a small text says: an SBOM as its packages, an attestation as its statement, and else the text itself. */
export function Content({
  repository,
  blob,
  isOpen,
}: {
  repository: string
  blob: Descriptor
  isOpen: boolean
}) {
  const [isShown, show] = useState(isOpen)
  if (!TEXT.test(blob.mediaType) || PACKED.test(blob.mediaType) || blob.size > MAX_SHOWN_BYTES) return null
  return (
    <details class="content" open={isShown} onToggle={({ currentTarget }) => show(currentTarget.open)}>
      <summary>Content</summary>
      {isShown && <Shown repository={repository} blob={blob} />}
    </details>
  )
}

function Shown({ repository, blob }: { repository: string; blob: Descriptor }) {
  const loading = useLoad(
    async (signal) => readStatement((await getBlobText(repository, blob, signal)) ?? ''),
    blob.digest,
  )
  return <Loaded loading={loading}>{(statement) => <StatementView statement={statement} />}</Loaded>
}

const SHOWN_PACKAGES = 1000

function StatementView({ statement: { type, packages, text } }: { statement: Statement }) {
  return (
    <>
      {type !== '' && (
        <p>
          <span class="muted">Statement</span> <code>{type}</code>
        </p>
      )}
      {packages.length > 0 && (
        <Scrolled label="Packages">
          <table class="table">
            <caption class="visually-hidden">Packages</caption>
            <thead>
              <tr>
                <th scope="col">Package</th>
                <th scope="col">Version</th>
                <th scope="col">Licence</th>
              </tr>
            </thead>
            <tbody>
              {packages.slice(0, SHOWN_PACKAGES).map(({ name, version, license }, index) => (
                <tr key={String(index)}>
                  <td>{name}</td>
                  <td>{version}</td>
                  <td>{license}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolled>
      )}
      <details>
        <summary>Text</summary>
        <Scrolled label="Text">
          <pre>{text}</pre>
        </Scrolled>
      </details>
    </>
  )
}
