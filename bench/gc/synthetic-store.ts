/** A store that exists in name only: content of any size for a collector, without its files. */
import type {
  Collectable,
  Holding,
  ManifestReferences,
  PooledBlob,
  PoolOptions,
} from '../../src/core/collection/collectable.ts'
import { type Digest, hexOf } from '../../src/core/digest.ts'
import { ForwardingDriver } from '../../src/core/forwarding-driver.ts'
import type { RepositoryName } from '../../src/core/reference.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'

const PAGE = 1_000
const IMAGES_PER_REPOSITORY = 50
/** A manifest, its config and its layers. */
export const BLOBS_PER_IMAGE = 10
const SHARED_LAYERS = 3
const LONG_AGO = new Date('2020-01-01T00:00:00Z')

/** Takes what the collector writes itself, and removes nothing. */
class WithoutRemovals extends ForwardingDriver {
  override async deleteFenced(): Promise<void> {}
}

/** Images of ten blobs of their own and three of others. A third of the images was deleted. */
export class SyntheticStore implements Pick<Collectable, 'holdings' | 'references' | 'pool'> {
  readonly storage: StorageDriver
  /** How many manifests were read. */
  reads = 0
  readonly #images: number
  /** By a step from one digest to the next they are in order, and spread over all prefixes. */
  readonly #step: number

  constructor(storage: StorageDriver, images: number) {
    this.storage = new WithoutRemovals(storage)
    this.#images = images
    this.#step = 2 ** 44 / (images * BLOBS_PER_IMAGE)
  }

  async *holdings(): AsyncIterable<readonly Holding[]> {
    let page: Holding[] = []
    for (let image = 0; image < this.#images; image++) {
      const repository = `team/app-${Math.floor(image / IMAGES_PER_REPOSITORY)}` as RepositoryName
      const [manifest, ...blobs] = this.#blobsOf(image)
      if (isKept(image)) page.push({ kind: 'manifest', repository, digest: manifest as Digest })
      for (const digest of blobs) page.push({ kind: 'blob', repository, digest, linkedAt: LONG_AGO })
      if (page.length < PAGE) continue
      yield page
      page = []
    }
    yield page
  }

  async references(_: RepositoryName, manifest: Digest): Promise<ManifestReferences> {
    this.reads++
    const number = Math.round(Number.parseInt(hexOf(manifest).slice(0, 11), 16) / this.#step)
    return { digests: this.#blobsOf(number / BLOBS_PER_IMAGE) }
  }

  async *pool({ without }: PoolOptions = {}): AsyncIterable<readonly PooledBlob[]> {
    let page: PooledBlob[] = []
    for (let number = 0; number < this.#images * BLOBS_PER_IMAGE; number++) {
      const digest = this.#digest(number)
      if (!without?.(digest)) page.push({ digest, size: 1_000, modifiedAt: LONG_AGO })
      if (page.length < PAGE) continue
      yield page
      page = []
    }
    yield page
  }

  pathOf(digest: Digest): string {
    return `/${hexOf(digest)}`
  }

  async evict(): Promise<void> {}

  /** The manifest first. */
  #blobsOf(image: number): Digest[] {
    const own = Array.from({ length: BLOBS_PER_IMAGE }, (_, index) => image * BLOBS_PER_IMAGE + index)
    const shared = Array.from({ length: SHARED_LAYERS }, (_, index) => {
      const other = (image * 7 + index) % Math.ceil(this.#images / 10)
      return other * BLOBS_PER_IMAGE + 1
    })
    return [...own, ...shared].map((number) => this.#digest(number))
  }

  #digest(number: number): Digest {
    const place = Math.round(number * this.#step)
      .toString(16)
      .padStart(11, '0')
    const mixed = (Math.imul(number, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0')
    return `sha256:${place}${mixed}${mixed}${'0'.repeat(37)}` as Digest
  }
}

function isKept(image: number): boolean {
  return image % 3 !== 0
}
