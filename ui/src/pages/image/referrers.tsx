import { listReferrers } from '../../api/registry.ts'
import { Digest } from '../../components/copy.tsx'
import { Loaded } from '../../components/states.tsx'
import { Ago } from '../../components/time.tsx'
import { useLoad } from '../../components/use-load.ts'
import { formatBytes, shortDigest } from '../../model/format.ts'
import type { Descriptor } from '../../model/manifest.ts'
import { pathToReference } from '../../model/reference.ts'
import { byPurpose, predicateOf } from '../../model/referrers.ts'

/** What refers to an image: signatures, SBOMs, attestations, scan reports, and anything else.
 *  @param more attestations that an index lists beside the image
 *  @param isQuiet true to show nothing if there are none */
export function Referrers({
  repository,
  digest,
  more = [],
  isQuiet = false,
}: {
  repository: string
  digest: string
  more?: readonly Descriptor[]
  isQuiet?: boolean
}) {
  const loading = useLoad((signal) => listReferrers(repository, digest, signal), `${repository}@${digest}`)
  const known = loading.value?.referrers ?? []
  if (isQuiet && loading.error === undefined && known.length === 0) return null
  return (
    <section class="section" aria-label={isQuiet ? 'Referrers of the index' : 'Referrers'}>
      <h2>{isQuiet ? 'Referrers of the index' : 'Referrers'}</h2>
      <Loaded loading={loading}>
        {({ referrers, hasMore }) => (
          <Groups
            repository={repository}
            referrers={[...referrers, ...more.map(asAttestation)]}
            hasMore={hasMore}
          />
        )}
      </Loaded>
    </section>
  )
}

/** BuildKit's manifests of attestations have no type of their own. */
function asAttestation(descriptor: Descriptor): Descriptor {
  return { ...descriptor, artifactType: descriptor.artifactType || 'application/vnd.in-toto+json' }
}

function Groups({
  repository,
  referrers,
  hasMore,
}: {
  repository: string
  referrers: readonly Descriptor[]
  hasMore: boolean
}) {
  if (referrers.length === 0) return <p class="muted">No signatures, SBOMs or attestations refer to it.</p>
  return (
    <div class="referrers">
      {byPurpose(referrers).map(([purpose, found]) => (
        <div key={purpose}>
          <h3>
            {purpose} <span class="muted">{found.length}</span>
          </h3>
          <ul>
            {found.map((referrer) => (
              <li key={referrer.digest}>
                <a href={pathToReference({ repository, digest: referrer.digest })}>
                  {titleOf(typeOf(referrer))}
                </a>
                <span class="muted referrer-type">
                  {titleOf(typeOf(referrer)) !== typeOf(referrer) && typeOf(referrer)}
                </span>
                <Digest digest={referrer.digest} />
                <span class="muted">{formatBytes(referrer.size)}</span>
                <Ago time={referrer.annotations['org.opencontainers.image.created']} />
              </li>
            ))}
          </ul>
        </div>
      ))}
      {hasMore && <p class="muted">There are more, which are not listed.</p>}
    </div>
  )
}

/** What the usual types are called. */
const TITLES: readonly (readonly [RegExp, string])[] = [
  [/sigstore\.bundle/, 'Sigstore bundle'],
  [/cosign\.artifact\.sig/, 'Cosign signature'],
  [/notary\.signature/, 'Notation signature'],
  [/spdx/, 'SPDX'],
  [/cyclonedx/, 'CycloneDX'],
  [/slsa\.dev\/provenance/, 'SLSA provenance'],
  [/in-toto/, 'in-toto statement'],
  [/sarif/, 'SARIF report'],
]

function typeOf(referrer: Descriptor): string {
  const predicate = predicateOf(referrer)
  return predicate || referrer.artifactType || referrer.mediaType || shortDigest(referrer.digest)
}

function titleOf(type: string): string {
  return TITLES.find(([pattern]) => pattern.test(type))?.[1] ?? type
}
