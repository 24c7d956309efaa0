/** A client that pushes, tags and deletes until the registry goes away, and writes down what it was promised. */
import {
  contentOf,
  type Image,
  imageConfig,
  imageManifest,
  mediaTypes,
  sha256,
} from '../support/oci-image.ts'
import type { Random } from '../support/random.ts'
import type { RegistryClient } from '../support/registry-client.ts'
import { type Ledger, type OpenUpload, subject } from './ledger.ts'
import { asWrites } from './register.ts'

const smallBytes = 3_000
const smallChunks = { chunkBytes: 1 << 20, maxBytes: 6 << 20 }
const tagNames = ['v0', 'v1', 'v2', 'latest']

export interface PusherContext {
  readonly client: RegistryClient
  readonly random: Random
  /** Of the repository that only this pusher writes to. */
  readonly own: Ledger
  /** Of the repository that all pushers write to, where nothing is deleted. */
  readonly shared: Ledger
  /** Layers that all pushers push again and again. */
  readonly commonLayers: readonly Buffer[]
  /** Of what is pushed in chunks, in bytes. */
  readonly chunked?: { readonly chunkBytes: number; readonly maxBytes: number }
  /** Told after every acknowledgement. */
  acknowledged(): void
  /** Waited for when an image has been acknowledged under the tag, before anything else is done. */
  pushed?(push: AcknowledgedPush): Promise<void>
}

export interface AcknowledgedPush {
  readonly ledger: Ledger
  readonly tag: string
  readonly image: Image
}

export class Pusher {
  readonly #context: PusherContext
  readonly #images: Image[] = []
  readonly #looseBlobs: Buffer[] = []

  constructor(context: PusherContext) {
    this.#context = context
  }

  /** Goes on with the same repositories at another process of the registry. */
  at(client: RegistryClient): Pusher {
    const pusher = new Pusher({ ...this.#context, client })
    pusher.#images.push(...this.#images)
    pusher.#looseBlobs.push(...this.#looseBlobs)
    return pusher
  }

  /** Resolves when the registry is gone.
   *  @throws UnexpectedAnswer when it refuses what it must do */
  async pushUntilGone(): Promise<void> {
    try {
      for (;;) await this.pushOnce()
    } catch (error) {
      if (!isBrokenConnection(error)) throw error
    }
  }

  /** Pushes, tags or deletes something. */
  async pushOnce(): Promise<void> {
    await this.#step()
    this.#context.acknowledged()
  }

  #step(): Promise<void> {
    const { own, shared, random } = this.#context
    const steps = [
      () => this.#pushLooseBlob(),
      () => this.#pushLooseBlob(),
      () => this.#pushImage(own),
      () => this.#pushImage(own),
      () => this.#pushImage(own),
      () => this.#pushImage(shared),
      () => this.#moveTag(),
      () => this.#deleteTag(),
      () => this.#deleteManifest(),
      () => this.#deleteBlob(),
      () => this.#pushInChunks(),
    ]
    return random.pick(steps)()
  }

  async #pushBlob(ledger: Ledger, bytes: Buffer): Promise<void> {
    const { client } = this.#context
    const write = ledger.blob(sha256(bytes)).begin(true)
    await asWrites([write], () => client.pushBlob(ledger.repository, bytes))
  }

  /** A blob that no manifest names; sometimes one that was there before. */
  async #pushLooseBlob(): Promise<void> {
    const { random, own } = this.#context
    const again = this.#looseBlobs.length > 0 && random.below(3) === 0
    const bytes = again ? random.pick(this.#looseBlobs) : random.bytes(1 + random.below(smallBytes))
    if (!again) this.#looseBlobs.push(bytes)
    await this.#pushBlob(own, bytes)
  }

  async #pushImage(ledger: Ledger): Promise<void> {
    const { random, commonLayers } = this.#context
    const layers = [random.pick(commonLayers), random.bytes(smallBytes)].map((bytes) => ({
      ...contentOf(bytes, mediaTypes.plainLayer),
      diffId: sha256(bytes),
    }))
    const config = imageConfig(layers)
    for (const { bytes } of [...layers, config]) await this.#pushBlob(ledger, bytes)
    const refers = random.below(3) === 0
    const manifest = imageManifest(config, layers, refers ? subject : undefined)
    const image = { manifest, config, layers }
    if (refers) ledger.referrers.add(manifest.descriptor.digest)
    await this.#putManifest(ledger, image)
    if (ledger === this.#context.own) this.#images.push(image)
  }

  async #putManifest(ledger: Ledger, image: Image): Promise<void> {
    const { random, client, pushed } = this.#context
    const { manifest } = image
    const { digest } = manifest.descriptor
    const reference = random.pick(tagNames)
    const writes = [ledger.manifest(digest).begin(true), ledger.tag(reference).begin(digest)]
    await asWrites(writes, () => client.pushManifest(ledger.repository, { reference, manifest }))
    await pushed?.({ ledger, tag: reference, image })
  }

  async #moveTag(): Promise<void> {
    if (this.#images.length > 0)
      await this.#putManifest(this.#context.own, this.#context.random.pick(this.#images))
  }

  async #deleteTag(): Promise<void> {
    const { random, own, client } = this.#context
    const name = random.pick(tagNames)
    const tag = own.tag(name)
    if (tag.candidates().includes(undefined)) return
    await asWrites([tag.begin(undefined)], () => client.deleteManifest(own.repository, name))
  }

  async #deleteManifest(): Promise<void> {
    const { random, own, client } = this.#context
    if (this.#images.length === 0) return
    const { digest } = random.pick(this.#images).manifest.descriptor
    if (own.manifest(digest).candidates().includes(false)) return
    const writes = [
      own.manifest(digest).begin(false),
      ...own.tagsNaming(digest).map((tag) => tag.begin(undefined)),
    ]
    await asWrites(writes, () => client.deleteManifest(own.repository, digest))
  }

  async #deleteBlob(): Promise<void> {
    const { random, own, client } = this.#context
    if (this.#looseBlobs.length === 0) return
    const digest = sha256(random.pick(this.#looseBlobs))
    if (own.blob(digest).candidates().includes(false)) return
    await asWrites([own.blob(digest).begin(false)], () => client.deleteBlob(own.repository, digest))
  }

  async #pushInChunks(): Promise<void> {
    const { random, own, client, acknowledged, chunked = smallChunks } = this.#context
    const { chunkBytes, maxBytes } = chunked
    const bytes = random.bytes(chunkBytes + random.below(maxBytes - chunkBytes))
    let state = await client.beginUpload(own.repository)
    const upload: OpenUpload = {
      digest: sha256(bytes),
      bytes,
      acknowledgedBytes: 0,
      finishing: false,
      ...state,
    }
    own.uploads.add(upload)
    while (upload.acknowledgedBytes < bytes.length - chunkBytes) {
      state = await client.sendChunk(state, bytes.subarray(state.size, state.size + chunkBytes))
      Object.assign(upload, { location: state.location, acknowledgedBytes: state.size })
      acknowledged()
    }
    await this.#finish(upload)
  }

  /** With the last bytes in the same request, or after them. */
  async #finish(upload: OpenUpload): Promise<void> {
    const { random, own, client } = this.#context
    let state = { location: upload.location, size: upload.acknowledgedBytes }
    if (random.below(2) === 0) {
      state = await client.sendChunk(state, upload.bytes.subarray(state.size))
      Object.assign(upload, { location: state.location, acknowledgedBytes: state.size })
    }
    upload.finishing = true
    const rest = upload.bytes.subarray(state.size)
    const finish = { digest: upload.digest, ...(rest.length > 0 && { rest }) }
    await asWrites([own.blob(upload.digest).begin(true)], () => client.finishUpload(state, finish))
    own.uploads.delete(upload)
  }
}

/** What fetch throws when there is nobody, or nobody any more (Fetch Standard, "network error"; undici names the cause). */
export function isBrokenConnection(error: unknown): boolean {
  return error instanceof TypeError && error.cause instanceof Error && 'code' in error.cause
}
