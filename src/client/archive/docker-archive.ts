import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Digest, digestOf } from '../../core/digest.ts'
import { MediaType } from '../../core/media-type.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import { readBody } from '../authorization.ts'
import { imageManifest } from '../copy/image-manifest.ts'
import type { ImageManifest, ImageSource } from '../copy/image-store.ts'
import type { FileTree } from '../layout/file-tree.ts'

const MANIFEST_FILE = 'manifest.json'
const MAX_JSON_BYTES = 16 * 1024 ** 2
const CONFIG_TYPE = 'application/vnd.docker.container.image.v1+json'
const LAYER_TYPE = 'application/vnd.docker.image.rootfs.diff.tar.gzip'

/** An entry of `manifest.json`. https://github.com/moby/moby/blob/master/image/spec/spec.md */
interface SavedImage {
  readonly Config: string
  readonly RepoTags: readonly string[] | null
  readonly Layers: readonly string[]
}

/** What `docker save` wrote before Docker 25, and `crane pull` writes. It has no manifest, so one is made;
 *  layers are compressed as registries have them. The config, which the image's ID is of, stays. */
export class DockerArchive implements ImageSource {
  readonly name: string
  readonly location = undefined
  readonly #tree: FileTree
  readonly #folder: string
  readonly #images: readonly SavedImage[]
  readonly #made = new Map<SavedImage, Promise<ImageManifest>>()
  readonly #blobs = new Map<Digest, () => AsyncIterable<Uint8Array>>()

  private constructor(tree: FileTree, folder: string, images: readonly SavedImage[]) {
    this.name = tree.name
    this.#tree = tree
    this.#folder = folder
    this.#images = images
  }

  /** @param folder where compressed layers are kept meanwhile
   *  @throws UpstreamError INVALID */
  static async open(tree: FileTree, folder: string): Promise<DockerArchive> {
    const images = await readJson(tree, MANIFEST_FILE)
    if (!Array.isArray(images) || images.length === 0 || !images.every(isSavedImage))
      throw new UpstreamError('INVALID', { message: `${tree.name}: ${MANIFEST_FILE} lists no images` })
    return new DockerArchive(tree, folder, images)
  }

  manifest(reference: string | undefined): Promise<ImageManifest> {
    const image = this.#named(reference)
    const known = this.#made.get(image)
    if (known !== undefined) return known
    const made = this.#make(image)
    this.#made.set(image, made)
    return made
  }

  async openBlob(digest: Digest, { start }: { start: number }): Promise<AsyncIterable<Uint8Array>> {
    const open = this.#blobs.get(digest)
    if (open === undefined)
      throw new UpstreamError('NOT_FOUND', { message: `${this.name} does not have ${digest}` })
    return from(open(), start)
  }

  async referrers(): Promise<readonly []> {
    return []
  }

  async *tags(): AsyncIterable<string> {
    for (const { RepoTags } of this.#images) yield* RepoTags ?? []
  }

  #named(reference: string | undefined): SavedImage {
    const [only, ...others] = this.#images
    if (reference === undefined && only !== undefined && others.length === 0) return only
    const found = this.#images.find(({ RepoTags }) => RepoTags?.some((name) => name === reference))
    if (found !== undefined) return found
    const names = this.#images.flatMap(({ RepoTags }) => RepoTags ?? [])
    throw new UpstreamError('NOT_FOUND', {
      message: `${this.name} has no image ${reference ?? ''}; it has ${names.join(', ') || 'none with a name'}`,
    })
  }

  async #make({ Config, Layers }: SavedImage): Promise<ImageManifest> {
    const config = await readBody(this.#tree.open(Config, 0), MAX_JSON_BYTES)
    const digest = digestOf(config)
    this.#blobs.set(digest, async function* () {
      yield config
    })
    const layers = []
    for (const path of Layers) layers.push(await this.#layer(path))
    const document = {
      schemaVersion: 2,
      mediaType: MediaType.dockerManifest,
      config: { mediaType: CONFIG_TYPE, size: config.length, digest },
      layers,
    }
    const payload = Buffer.from(JSON.stringify(document))
    return imageManifest(payload, { contentType: MediaType.dockerManifest, reference: undefined })
  }

  /** As it is if it is compressed already. */
  async #layer(path: string) {
    const open = () => this.#tree.open(path, 0)
    const hash = createHash('sha256')
    let size = 0
    const count = (chunk: Uint8Array) => {
      hash.update(chunk)
      size += chunk.length
    }
    const isCompressed = await isGzip(open())
    const target = join(this.#folder, `layer-${this.#blobs.size}`)
    if (isCompressed) for await (const chunk of open()) count(chunk)
    else {
      const { createGzip } = await import('node:zlib')
      await pipeline(open, createGzip(), counting(count), createWriteStream(target))
    }
    const digest = `sha256:${hash.digest('hex')}` as Digest
    this.#blobs.set(digest, isCompressed ? open : () => createReadStream(target))
    return { mediaType: LAYER_TYPE, size, digest }
  }
}

function counting(count: (chunk: Uint8Array) => void): Transform {
  return new Transform({
    transform(chunk, _encoding, done) {
      count(chunk)
      done(null, chunk)
    },
  })
}

async function isGzip(chunks: AsyncIterable<Uint8Array>): Promise<boolean> {
  for await (const chunk of chunks) return chunk[0] === 0x1f && chunk[1] === 0x8b
  return false
}

async function* from(chunks: AsyncIterable<Uint8Array>, start: number): AsyncIterable<Uint8Array> {
  let toSkip = start
  for await (const chunk of chunks) {
    const skipped = Math.min(toSkip, chunk.length)
    toSkip -= skipped
    if (skipped < chunk.length) yield chunk.subarray(skipped)
  }
}

async function readJson(tree: FileTree, path: string): Promise<unknown> {
  if ((await tree.size(path)) === undefined)
    throw new UpstreamError('INVALID', { message: `${tree.name} is no archive of images: no ${path}` })
  const bytes = await readBody(tree.open(path, 0), MAX_JSON_BYTES)
  try {
    return JSON.parse(bytes.toString())
  } catch (cause) {
    throw new UpstreamError('INVALID', { message: `${tree.name}: ${path} is not JSON`, cause })
  }
}

function isSavedImage(value: unknown): value is SavedImage {
  const { Config, RepoTags, Layers } = Object(value)
  const isNames = (list: unknown) => Array.isArray(list) && list.every((name) => typeof name === 'string')
  return typeof Config === 'string' && isNames(Layers) && (RepoTags == null || isNames(RepoTags))
}
