import { getBlobJson } from '../../api/registry.ts'
import { Digest } from '../../components/copy.tsx'
import { Entries, Facts } from '../../components/facts.tsx'
import { Loaded } from '../../components/states.tsx'
import { useLoad } from '../../components/use-load.ts'
import { type ArtifactSummary, summarize } from '../../model/artifact.ts'
import { formatBytes, plural } from '../../model/format.ts'
import { kindOf } from '../../model/kind.ts'
import type { Descriptor, Manifest } from '../../model/manifest.ts'
import { Content } from './content.tsx'

const EMPTY_CONFIG = 'application/vnd.oci.empty.v1+json'

/** Anything that is not an image, by what it says of itself. */
export function ArtifactDetails({ repository, manifest }: { repository: string; manifest: Manifest }) {
  const { config, layers, annotations } = manifest
  const loading = useLoad(async (signal) => {
    const isReadable = config !== undefined && config.mediaType !== EMPTY_CONFIG && config.size > 2
    const json = isReadable ? await getBlobJson(repository, config, signal) : undefined
    return summarize(kindOf(manifest), json)
  }, manifest.digest)
  return (
    <Loaded loading={loading}>
      {(summary) => (
        <>
          <About manifest={manifest} summary={summary} />
          <Files repository={repository} layers={layers} />
          <Entries title="Configuration" entries={summary.entries} />
          <Entries title="Annotations" entries={Object.entries(annotations)} />
        </>
      )}
    </Loaded>
  )
}

function About({ manifest, summary }: { manifest: Manifest; summary: ArtifactSummary }) {
  const { artifactType, config } = manifest
  return (
    <section class="section" aria-label="About">
      <h2>{summary.title || 'About'}</h2>
      {summary.description !== '' && <p>{summary.description}</p>}
      <Facts
        facts={[
          ['Type', <code key="type">{artifactType || config?.mediaType || 'unknown'}</code>],
          ...summary.facts,
        ]}
      />
    </section>
  )
}

function Files({ repository, layers }: { repository: string; layers: readonly Descriptor[] }) {
  if (layers.length === 0) return null
  return (
    <section class="section" aria-label="Files">
      <h2>
        Files <span class="muted">{plural(layers.length, 'file')}</span>
      </h2>
      <ul class="files">
        {layers.map((layer, index) => (
          <li key={`${layer.digest}${String(index)}`}>
            <span class="file-name">
              {layer.annotations['org.opencontainers.image.title'] ?? layer.mediaType}
            </span>
            <Digest digest={layer.digest} />
            <span class="layer-size">{formatBytes(layer.size)}</span>
            <Content repository={repository} blob={layer} isOpen={layers.length === 1} />
          </li>
        ))}
      </ul>
    </section>
  )
}
