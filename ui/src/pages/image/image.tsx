import { useLocation } from 'preact-iso'
import { getManifest } from '../../api/registry.ts'
import { Breadcrumb } from '../../components/breadcrumb.tsx'
import { Digest } from '../../components/copy.tsx'
import { Facts } from '../../components/facts.tsx'
import { Scrolled } from '../../components/scrolled.tsx'
import { Loaded } from '../../components/states.tsx'
import { useLoad } from '../../components/use-load.ts'
import { useTitle } from '../../components/use-title.ts'
import { pullCommand } from '../../model/commands.ts'
import { formatBytes, shortDigest } from '../../model/format.ts'
import { KIND_NAMES, kindOf } from '../../model/kind.ts'
import { contentSize, formatPlatform, type Manifest, splitIndex } from '../../model/manifest.ts'
import { formatReference, pathToReference, type Reference } from '../../model/reference.ts'
import { ArtifactDetails } from './artifact.tsx'
import { Commands } from './commands.tsx'
import { ImageDetails } from './image-details.tsx'
import { Referrers } from './referrers.tsx'
import { TagHistory } from './tag-history.tsx'
import { TagsOfDigest } from './tags-of-digest.tsx'

/** An image, an index of images, or another artifact. */
export function Image({ reference }: { reference: Reference }) {
  const { repository, tag, digest } = reference
  useTitle(formatReference(reference))
  const manifest = useLoad(
    (signal) => getManifest(repository, digest ?? tag ?? '', signal),
    formatReference(reference),
  )
  return (
    <>
      <div class="view-head">
        <Breadcrumb reference={reference} />
        <h1>
          <span class="muted">{repository.slice(repository.lastIndexOf('/') + 1)}</span>
          {tag === undefined ? <span class="muted">@{shortDigest(digest ?? '')}</span> : `:${tag}`}
        </h1>
      </div>
      <Loaded loading={manifest}>
        {(found) => <Whole reference={reference} manifest={found} onMove={manifest.reload} />}
      </Loaded>
    </>
  )
}

function Whole({
  reference,
  manifest,
  onMove,
}: {
  reference: Reference
  manifest: Manifest
  onMove: () => void
}) {
  const kind = kindOf(manifest)
  const { digest } = manifest
  return (
    <div data-copy={pullCommand(reference, kind)}>
      <Facts
        facts={[
          ['Kind', KIND_NAMES[kind]],
          ['Digest', <Digest key="digest" digest={digest} />],
          ...(manifest.manifests === undefined
            ? ([['Size', formatBytes(contentSize(manifest))]] as [string, string][])
            : []),
          ['Tags', <TagsOfDigest key="tags" reference={reference} digest={digest} />],
          ...(manifest.subject === undefined
            ? []
            : ([
                [
                  'Refers to',
                  <a
                    key="subject"
                    href={pathToReference({
                      repository: reference.repository,
                      digest: manifest.subject.digest,
                    })}
                  >
                    <code>{shortDigest(manifest.subject.digest)}</code>
                  </a>,
                ],
              ] as [string, preact.ComponentChild][])),
        ]}
      />
      <Commands reference={reference} digest={digest} kind={kind} />
      {manifest.manifests === undefined ? (
        <Single repository={reference.repository} manifest={manifest} />
      ) : (
        <Index reference={reference} manifest={manifest} />
      )}
      {reference.tag !== undefined && (
        <TagHistory repository={reference.repository} tag={reference.tag} onMove={onMove} />
      )}
      <Raw manifest={manifest} />
    </div>
  )
}

function Single({ repository, manifest }: { repository: string; manifest: Manifest }) {
  return (
    <>
      {kindOf(manifest) === 'image' ? (
        <ImageDetails repository={repository} manifest={manifest} />
      ) : (
        <ArtifactDetails repository={repository} manifest={manifest} />
      )}
      <Referrers repository={repository} digest={manifest.digest} />
    </>
  )
}

/** The platforms of an index, one of which is shown. */
function Index({ reference, manifest }: { reference: Reference; manifest: Manifest }) {
  const { query } = useLocation()
  const { repository } = reference
  const { images, attestations } = splitIndex(manifest.manifests ?? [])
  const present = images.find(({ digest }) => digest === query.platform) ?? images[0]
  return (
    <>
      <Referrers repository={repository} digest={manifest.digest} isQuiet />
      {images.length === 0 && <p class="muted">This index is empty.</p>}
      <nav class="tabs platforms" aria-label="Platforms">
        {images.map(({ digest, platform, artifactType, size }) => (
          <a
            key={digest}
            href={pathToReference(reference, { platform: digest })}
            aria-current={digest === present?.digest ? 'page' : undefined}
          >
            {platform === undefined
              ? artifactType || `${shortDigest(digest)}, ${formatBytes(size)}`
              : formatPlatform(platform)}
          </a>
        ))}
      </nav>
      {present !== undefined && (
        <Child
          key={present.digest}
          repository={repository}
          digest={present.digest}
          attestations={attestations.get(present.digest) ?? []}
        />
      )}
    </>
  )
}

function Child({
  repository,
  digest,
  attestations,
}: {
  repository: string
  digest: string
  attestations: NonNullable<Manifest['manifests']>
}) {
  const manifest = useLoad((signal) => getManifest(repository, digest, signal), digest)
  return (
    <Loaded loading={manifest}>
      {(found) => (
        <>
          <Facts
            facts={[
              ['Digest', <Digest key="digest" digest={digest} />],
              ['Size', formatBytes(contentSize(found))],
            ]}
          />
          {found.manifests !== undefined ? (
            <p>
              <a href={pathToReference({ repository, digest })}>An index of its own</a>
            </p>
          ) : kindOf(found) === 'image' ? (
            <ImageDetails repository={repository} manifest={found} />
          ) : (
            <ArtifactDetails repository={repository} manifest={found} />
          )}
          <Referrers repository={repository} digest={digest} more={attestations} />
        </>
      )}
    </Loaded>
  )
}

function Raw({ manifest }: { manifest: Manifest }) {
  return (
    <details class="section">
      <summary>
        Manifest <span class="muted">{manifest.mediaType}</span>
      </summary>
      <Scrolled label="Manifest">
        <pre>{indented(manifest.text)}</pre>
      </Scrolled>
    </details>
  )
}

function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2)
  } catch {
    return text
  }
}
