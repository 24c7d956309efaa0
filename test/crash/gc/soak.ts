import { setTimeout as delay } from 'node:timers/promises'
import { digestOf } from '../../../src/core/digest.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import type { Answer, HttpRegistry } from '../../support/http-registry.ts'
import { imageJson, payloadOf } from '../../support/manifest-json.ts'
import type { Random } from '../../support/random.ts'

/** What is wrong: something that was acknowledged is not there, or is something else. */
export interface Loss {
  readonly what: string
  readonly answer: string
}

export interface SoakFigures {
  pushes: number
  refused: number
  deletes: number
  pulls: number
}

interface SoakOptions {
  readonly replicas: readonly HttpRegistry[]
  readonly random: Random
}

/** Layers that all images share, so that what one push needs was garbage a moment ago. */
const LAYERS = Array.from({ length: 40 }, (_, index) => Buffer.from(`layer ${index} `.repeat(400)))
/** Between two looks at an image. */
const MAX_KEPT_MS = 1_000

const REPOSITORIES = ['a', 'b/c', 'tags']

/** Pushes images, pulls them as long as they are acknowledged, and deletes them; it is the only one that pushes them. */
export class SoakClient {
  readonly losses: Loss[] = []
  readonly figures: SoakFigures = { pushes: 0, refused: 0, deletes: 0, pulls: 0 }
  readonly #options: SoakOptions
  readonly #repository: string
  readonly #name: string
  /** The image that was acknowledged last and not deleted. */
  #acknowledged: { readonly manifest: Buffer; readonly blobs: readonly Buffer[] } | undefined

  constructor(number: number, options: SoakOptions) {
    this.#options = options
    this.#repository = REPOSITORIES[number % REPOSITORIES.length] as string
    this.#name = `client-${number}`
  }

  async work(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#push(isOver)
      for (let pulls = this.#options.random.below(3); pulls > 0; pulls--) {
        if (!isOver()) await delay(this.#options.random.below(MAX_KEPT_MS))
        await this.check(this.#replica)
      }
      if (!isOver()) await this.#delete()
    }
  }

  /** Pulls the acknowledged image from a replica. */
  async check(replica: HttpRegistry): Promise<void> {
    if (this.#acknowledged === undefined) return
    const { manifest, blobs } = this.#acknowledged
    this.figures.pulls++
    await this.#expect(replica, `/v2/${this.#repository}/manifests/${digestOf(manifest)}`, manifest)
    for (const blob of blobs)
      await this.#expect(replica, `/v2/${this.#repository}/blobs/${digestOf(blob)}`, blob)
  }

  /** The same from any registry. */
  async checkAt(url: string): Promise<void> {
    if (this.#acknowledged === undefined) return
    const { manifest, blobs } = this.#acknowledged
    const all = [...blobs.map((bytes) => ({ kind: 'blobs', bytes })), { kind: 'manifests', bytes: manifest }]
    for (const { kind, bytes } of all) {
      const path = `/v2/${this.#repository}/${kind}/${digestOf(bytes)}`
      const answer = await fetch(url + path, { headers: { accept: MediaType.ociManifest } })
      const body = Buffer.from(await answer.arrayBuffer())
      if (answer.status !== 200 || !body.equals(bytes))
        this.losses.push({ what: url + path, answer: `${answer.status}` })
    }
  }

  async #expect(replica: HttpRegistry, path: string, bytes: Buffer): Promise<void> {
    const answer = await replica.send(`GET ${path}`)
    if (answer.status === 200 && answer.body.equals(bytes)) return
    if (answer.status === 503) return
    this.losses.push({ what: path, answer: describe(answer) })
  }

  get #replica(): HttpRegistry {
    return this.#options.random.pick(this.#options.replicas)
  }

  async #push(isOver: () => boolean): Promise<void> {
    const { random } = this.#options
    const config = Buffer.from(JSON.stringify({ of: this.#name, number: random.below(3) }))
    const blobs = [config, random.pick(LAYERS), random.pick(LAYERS)]
    const [first, second] = blobs.slice(1).map((bytes) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: digestOf(bytes),
      size: bytes.length,
    }))
    const manifest = Buffer.from(
      payloadOf(
        imageJson({
          config: {
            mediaType: 'application/vnd.oci.image.config.v1+json',
            digest: digestOf(config),
            size: config.length,
          },
          layers: [first, second],
        }),
      ),
    )
    const headers = { 'content-type': MediaType.ociManifest }
    while (!isOver()) {
      for (const blob of blobs) await this.#pushBlob(blob)
      const reference = random.below(2) === 0 ? this.#name : digestOf(manifest)
      const answer = await this.#replica.send(`PUT /v2/${this.#repository}/manifests/${reference}`, {
        headers,
        body: manifest,
      })
      if (answer.status === 201) {
        this.#acknowledged = { manifest, blobs }
        this.figures.pushes++
        return
      }
      this.figures.refused++
      if (![400, 404, 503].includes(answer.status)) {
        this.losses.push({ what: `PUT of a manifest to ${this.#repository}`, answer: describe(answer) })
        return
      }
    }
  }

  /** As clients do: it is looked for, mounted, or else uploaded. */
  async #pushBlob(blob: Buffer): Promise<void> {
    const { random } = this.#options
    const replica = this.#replica
    const digest = digestOf(blob)
    const path = `/v2/${this.#repository}/blobs`
    if (random.below(4) > 0 && (await replica.send(`HEAD ${path}/${digest}`)).status === 200) return
    const from = random.pick(REPOSITORIES)
    const query = random.below(3) === 0 ? `?mount=${digest}&from=${from}` : `?digest=${digest}`
    const headers = { 'content-type': 'application/octet-stream' }
    const isMount = query.startsWith('?mount')
    const begun = await replica.send(`POST ${path}/uploads/${query}`, isMount ? {} : { headers, body: blob })
    if (begun.status !== 202) return // it is there, or the push of the manifest will say that it is not
    await replica.send(`PUT ${begun.headers.location}?digest=${digest}`, { headers, body: blob })
  }

  async #delete(): Promise<void> {
    if (this.#acknowledged === undefined) return
    const digest = digestOf(this.#acknowledged.manifest)
    this.#acknowledged = undefined
    for (;;) {
      const { status } = await this.#replica.send(`DELETE /v2/${this.#repository}/manifests/${digest}`)
      if (status !== 503) break
      await delay(20)
    }
    this.figures.deletes++
  }
}

function describe({ status, body }: Answer): string {
  return `${status} ${body.toString().slice(0, 200)}`
}
