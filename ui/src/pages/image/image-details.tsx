import { getBlobJson } from '../../api/registry.ts'
import { Digest } from '../../components/copy.tsx'
import { Entries, Facts } from '../../components/facts.tsx'
import { Loaded } from '../../components/states.tsx'
import { Ago } from '../../components/time.tsx'
import { useLoad } from '../../components/use-load.ts'
import { formatBytes, plural } from '../../model/format.ts'
import { type ImageConfig, parseImageConfig, type Step, stepsOf } from '../../model/image-config.ts'
import { formatPlatform, type Manifest } from '../../model/manifest.ts'

/** An image of one platform: what it runs, and the layers beside the history that made them. */
export function ImageDetails({ repository, manifest }: { repository: string; manifest: Manifest }) {
  const { config } = manifest
  const loading = useLoad(
    async (signal) => parseImageConfig(config && (await getBlobJson(repository, config, signal))),
    config?.digest ?? '',
  )
  return (
    <Loaded loading={loading}>
      {(image) => (
        <>
          <Runtime image={image} />
          <Layers steps={stepsOf(manifest.layers, image.history)} />
          <Entries title="Environment" entries={image.environment.map(splitVariable)} />
          <Entries title="Labels" entries={Object.entries(image.labels)} />
          <Entries title="Annotations" entries={Object.entries(manifest.annotations)} />
        </>
      )}
    </Loaded>
  )
}

function Runtime({ image }: { image: ImageConfig }) {
  const { platform, created, author, user, workingDir, entrypoint, command, stopSignal, ports, volumes } =
    image
  const words = (list: readonly string[]) =>
    list.length === 0 ? (
      ''
    ) : (
      <code>
        {list.map((word) => (/^[\w./:=@%+-]+$/.test(word) ? word : JSON.stringify(word))).join(' ')}
      </code>
    )
  return (
    <section class="section" aria-label="Configuration">
      <h2>Configuration</h2>
      <Facts
        facts={[
          ['Platform', formatPlatform(platform)],
          ['Created', created && <Ago time={created} />],
          ['Author', author],
          ['Entrypoint', words(entrypoint)],
          ['Command', words(command)],
          ['User', user],
          ['Working directory', workingDir && <code>{workingDir}</code>],
          ['Ports', ports.join(', ')],
          ['Volumes', volumes.join(', ')],
          ['Stop signal', stopSignal],
        ]}
      />
    </section>
  )
}

function Layers({ steps }: { steps: readonly Step[] }) {
  const layers = steps.flatMap(({ layer }) => layer ?? [])
  const largest = Math.max(1, ...layers.map(({ size }) => size))
  return (
    <section class="section" aria-label="Layers">
      <h2>
        Layers <span class="muted">{plural(layers.length, 'layer')}</span>
      </h2>
      <ol class="layers">
        {steps.map(({ instruction, layer }, index) => (
          <li key={String(index)} class={layer === undefined ? 'no-layer' : ''}>
            <Instruction text={instruction || layer?.mediaType || ''} />
            {layer !== undefined && (
              <span class="layer">
                <Digest digest={layer.digest} />
                <meter min={0} max={largest} value={layer.size} aria-label="Size of the layer" />
                <span class="layer-size">{formatBytes(layer.size)}</span>
              </span>
            )}
          </li>
        ))}
      </ol>
    </section>
  )
}

/** The instruction's first word stands out, as in a Dockerfile. */
function Instruction({ text }: { text: string }) {
  const [, keyword = '', rest = text] = /^([A-Z]{3,12})(\s[\s\S]*)$/.exec(text) ?? []
  return (
    <code class="instruction">
      {keyword !== '' && <b>{keyword}</b>}
      {rest}
    </code>
  )
}

function splitVariable(variable: string): [string, string] {
  const mark = variable.indexOf('=')
  return mark === -1 ? [variable, ''] : [variable.slice(0, mark), variable.slice(mark + 1)]
}
