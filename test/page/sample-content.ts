/** Repositories of every kind that the page shows, pushed over the API. */
import { join } from 'node:path'
import { startEntrepot } from '../support/entrepot-process.ts'
import {
  type Content,
  contentOf,
  type Descriptor,
  gzippedLayer,
  mediaTypes,
  sha256,
} from '../support/oci-image.ts'
import { seededRandom } from '../support/random.ts'
import { RegistryClient } from '../support/registry-client.ts'
import type { ServerProcess } from '../support/server-process.ts'
import type { TemporaryFolder } from '../support/temporary-folder.ts'

/** Text that would run if it became HTML. */
export const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>'

/** Starts a registry with everything that the page shows. */
export function startSampleRegistry(folder: TemporaryFolder): Promise<ServerProcess> {
  const policies = {
    history: { enabled: true },
    usage: { enabled: true },
    pulls: { enabled: true, interval: '1s' },
  }
  return startEntrepot({
    dataFolder: join(folder.path, 'data'),
    configFolder: folder.path,
    config: { policies },
  })
}

export class SampleContent {
  readonly #client: RegistryClient

  constructor(url: string) {
    this.#client = new RegistryClient(url)
  }

  async pushAll(): Promise<void> {
    for (const version of [1, 2, 3]) await this.#pushImages('web/shop', `1.${version}.0`, version)
    const { index, amd64 } = await this.#pushImages('web/shop', 'latest', 4)
    await this.#pushReferrers('web/shop', { index, amd64 })
    await this.#pushImages('web/cms/editor', 'v1', 5)
    await this.#pushImages('tools', 'v1', 6)
    await this.#pushChart()
    await this.#pushModel()
    await this.#pushModule()
    await this.#pushHostile()
  }

  /** @param version chooses the image that they name */
  async pushTags(repository: string, tags: readonly string[], version = 1): Promise<void> {
    const manifest = await this.#image(repository, 'amd64', version)
    for (const tag of tags) await this.#put(repository, manifest, tag)
  }

  async #pushImages(repository: string, tag: string, version: number) {
    const amd64 = await this.#put(repository, await this.#image(repository, 'amd64', version))
    const arm64 = await this.#put(repository, await this.#image(repository, 'arm64', version))
    const attestation = await this.#put(repository, {
      ...manifestOf(await this.#blob(repository, '{}', mediaTypes.config)),
      layers: [await this.#blob(repository, JSON.stringify(provenance), 'application/vnd.in-toto+json')],
    })
    const platforms = [
      { ...amd64, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm64, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      {
        ...attestation,
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: {
          'vnd.docker.reference.type': 'attestation-manifest',
          'vnd.docker.reference.digest': amd64.digest,
        },
      },
    ]
    const index = await this.#put(
      repository,
      { schemaVersion: 2, mediaType: mediaTypes.index, manifests: platforms },
      tag,
    )
    return { index, amd64 }
  }

  async #image(repository: string, architecture: string, version: number): Promise<object> {
    const noise = (length: number, seed: string) => seededRandom(seed).bytes(length).toString('hex')
    const layers = [
      gzippedLayer([{ path: 'base', content: noise(60_000, architecture) }]),
      gzippedLayer([{ path: 'packages', content: noise(9_000 * version, `${architecture}${version}`) }]),
      gzippedLayer([{ path: 'app', content: noise(2_000, `app ${architecture}${version}`) }]),
    ]
    for (const { bytes } of layers) await this.#client.pushBlob(repository, bytes)
    const config = await this.#blob(
      repository,
      JSON.stringify(imageConfig(architecture, version)),
      mediaTypes.config,
    )
    return { ...manifestOf(config), layers: layers.map(({ descriptor }) => descriptor) }
  }

  async #pushReferrers(repository: string, { index, amd64 }: { index: Descriptor; amd64: Descriptor }) {
    const refer = async (subject: Descriptor, artifactType: string, content: object, annotations = {}) => {
      const config = await this.#blob(repository, '{}', 'application/vnd.oci.empty.v1+json')
      const layer = await this.#blob(repository, JSON.stringify(content), artifactType)
      const created = { 'org.opencontainers.image.created': '2026-11-01T10:00:00Z', ...annotations }
      await this.#put(repository, {
        ...manifestOf(config),
        artifactType,
        layers: [layer],
        subject,
        annotations: created,
      })
    }
    const bundle = 'application/vnd.dev.sigstore.bundle.v0.3+json'
    await refer(index, bundle, {}, { 'dev.sigstore.bundle.content': 'message-signature' })
    await refer(amd64, 'application/vnd.cncf.notary.signature', {})
    await refer(amd64, 'application/spdx+json', sbom)
    await refer(amd64, 'application/vnd.example.notes+json', { note: 'approved' })
  }

  async #pushChart(): Promise<void> {
    const chart = {
      ...{ apiVersion: 'v2', name: 'shop', version: '2.1.0+7', appVersion: '1.3.0', type: 'application' },
      description: 'The web shop with its database',
      ...{
        keywords: ['shop'],
        maintainers: [{ name: 'Web team' }],
        dependencies: [{ name: 'postgresql', version: '16.x' }],
      },
    }
    const config = await this.#blob(
      'charts/shop',
      JSON.stringify(chart),
      'application/vnd.cncf.helm.config.v1+json',
    )
    const layer = await this.#blob(
      'charts/shop',
      'chart',
      'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
    )
    await this.#put('charts/shop', { ...manifestOf(config), layers: [layer] }, '2.1.0_7')
  }

  async #pushModel(): Promise<void> {
    const model = {
      descriptor: { name: 'tiny', version: '1', family: 'llama', licenses: ['MIT'] },
      config: { architecture: 'transformer', paramSize: '1b', format: 'gguf', quantization: 'q4' },
    }
    const config = await this.#blob(
      'models/tiny',
      JSON.stringify(model),
      'application/vnd.cncf.model.config.v1+json',
    )
    const weights = await this.#blob('models/tiny', 'weights', 'application/vnd.cncf.model.weight.v1.raw')
    const annotations = { 'org.opencontainers.image.title': 'tiny.gguf' }
    const artifactType = 'application/vnd.cncf.model.manifest.v1+json'
    await this.#put(
      'models/tiny',
      { ...manifestOf(config), artifactType, layers: [{ ...weights, annotations }] },
      'v1',
    )
  }

  async #pushModule(): Promise<void> {
    const component = {
      created: '2026-11-01T10:00:00Z',
      component: { exports: ['wasi:http/incoming-handler'] },
    }
    const config = await this.#blob(
      'tools/filter',
      JSON.stringify(component),
      'application/vnd.wasm.config.v0+json',
    )
    const layer = await this.#blob('tools/filter', '\0asm', 'application/wasm')
    await this.#put('tools/filter', { ...manifestOf(config), layers: [layer] }, 'v1')
  }

  async #pushHostile(): Promise<void> {
    const image = {
      ...{
        os: HOSTILE,
        architecture: HOSTILE,
        created: HOSTILE,
        author: HOSTILE,
        history: [{ created_by: HOSTILE }],
      },
      config: {
        ...{ Env: [HOSTILE], Cmd: [HOSTILE], User: HOSTILE },
        Labels: { [HOSTILE]: HOSTILE, link: 'javascript:window.hacked=3', __proto__: HOSTILE },
      },
    }
    const config = await this.#blob('hostile', JSON.stringify(image), mediaTypes.config)
    const layer = await this.#blob('hostile', HOSTILE, mediaTypes.plainLayer)
    await this.#put(
      'hostile',
      { ...manifestOf(config), layers: [layer], annotations: { [HOSTILE]: HOSTILE } },
      'image',
    )
    const file = await this.#blob('hostile', HOSTILE, 'text/html')
    const title = { 'org.opencontainers.image.title': HOSTILE }
    const empty = await this.#blob('hostile', '{}', 'application/vnd.oci.empty.v1+json')
    const artifact = {
      ...manifestOf(empty),
      artifactType: 'text/html',
      layers: [{ ...file, annotations: title }],
    }
    await this.#put(
      'hostile',
      { ...artifact, annotations: { [HOSTILE]: 'javascript:window.hacked=4' } },
      'artifact',
    )
    await this.#put(
      'hostile',
      { ...manifestOf(await this.#blob('hostile', '[1,"x",{"a":null}]', mediaTypes.config)), layers: [] },
      'odd',
    )
  }

  async #blob(repository: string, content: string, mediaType: string): Promise<Descriptor> {
    const { descriptor, bytes } = contentOf(Buffer.from(content), mediaType)
    await this.#client.pushBlob(repository, bytes)
    return descriptor
  }

  /** @param tag default: none */
  async #put(repository: string, manifest: object, tag?: string): Promise<Descriptor> {
    const { mediaType = mediaTypes.manifest } = manifest as { mediaType?: string }
    const content: Content = contentOf(Buffer.from(JSON.stringify(manifest)), mediaType)
    const answer = await this.#client.request(`/v2/${repository}/manifests/${tag ?? sha256(content.bytes)}`, {
      method: 'PUT',
      body: content.bytes,
      headers: { 'content-type': mediaType },
      expect: [201],
    })
    await answer.arrayBuffer()
    return content.descriptor
  }
}

function manifestOf(config: Descriptor) {
  return { schemaVersion: 2, mediaType: mediaTypes.manifest, config }
}

function imageConfig(architecture: string, version: number) {
  return {
    ...{ created: '2026-11-02T15:04:05Z', os: 'linux', architecture, author: 'Web team <web@example.com>' },
    config: {
      ...{
        User: '65532:65532',
        WorkingDir: '/srv/app',
        StopSignal: 'SIGTERM',
        ExposedPorts: { '8080/tcp': {} },
      },
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'NODE_VERSION=26.10.0', 'TZ=UTC'],
      Entrypoint: ['/usr/bin/tini', '--'],
      Cmd: ['node', 'server.js'],
      Labels: {
        'org.opencontainers.image.source': 'https://git.example.com/web/shop',
        'org.opencontainers.image.version': `1.${version}.0`,
      },
    },
    history: [
      { created_by: '/bin/sh -c #(nop) ADD file:3f5c1d8e0b7a in / ' },
      { created_by: '/bin/sh -c #(nop)  CMD ["bash"]', empty_layer: true },
      { created_by: 'ENV NODE_VERSION=26.10.0', empty_layer: true },
      {
        created_by:
          'RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends ca-certificates tini # buildkit',
      },
      { created_by: 'WORKDIR /srv/app', empty_layer: true },
      { created_by: 'COPY --chown=65532 . /srv/app # buildkit' },
      { created_by: 'ENTRYPOINT ["/usr/bin/tini" "--"]', empty_layer: true },
    ],
  }
}

const provenance = {
  _type: 'https://in-toto.io/Statement/v1',
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: {},
}

const sbom = {
  spdxVersion: 'SPDX-2.3',
  packages: [
    { name: 'openssl', versionInfo: '3.5.1', licenseConcluded: 'Apache-2.0' },
    { name: 'zlib', versionInfo: '1.3.1', licenseConcluded: 'NOASSERTION', licenseDeclared: 'Zlib' },
    { name: HOSTILE, versionInfo: HOSTILE },
  ],
}
