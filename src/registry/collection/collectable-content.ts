import type {
  Collectable,
  Holding,
  HoldingsOptions,
  ManifestReferences,
  PooledBlob,
  PoolOptions,
} from '../../core/collection/collectable.ts'
import type { Condemnation, CondemnOptions, RepositoryContent } from '../../core/collection/removable.ts'
import { algorithmOf, CANONICAL, type Digest, digestOf } from '../../core/digest.ts'
import { isPathNotFound, RegistryError } from '../../core/errors.ts'
import type { ManifestReference } from '../../core/manifest/manifest.ts'
import { parseManifest } from '../../core/manifest/parse.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { ScannedFile, StorageDriver } from '../../core/storage-driver.ts'
import type { DeletionsTiming } from '../manifests/deletions.ts'
import {
  BLOBS,
  blobPath,
  digestFolder,
  digestOfBlobPath,
  parseDigestFolder,
  REPOSITORIES,
  RepositoryPaths,
} from '../paths.ts'
import { readContents, readTarget } from './content-scan.ts'
import { ManifestRemoval, type ManifestRemovalParts, releaseManifests } from './manifest-removal.ts'

export interface CollectableContentParts {
  readonly storage: StorageDriver
  readonly evict: (digests: readonly Digest[]) => Promise<void>
  readonly evictManifest: ManifestRemovalParts['evictManifest']
  /** How long a removal of manifests waits for others. */
  readonly timing?: DeletionsTiming | undefined
}

const LINK = new RegExp(
  `^${REPOSITORIES}/(.+?)/(?:_layers|_manifests/revisions)/((?:tarsum/[^/]+/)?sha[^/]+/[0-9a-f]+)/(?:signatures/(sha[^/]+/[0-9a-f]+)/)?link$`,
)

/** Folders in which no link is kept that keeps content. A repository may be called `tags`. */
const OTHER_FOLDERS = /\/(?:_uploads|_manifests\/(?:tags|referrers))$/
const LAYERS = /\/_layers$/
const MANIFESTS = /\/_manifests$/

const LAYER_FOLDER = /\/_layers\/(?:sha256|sha512)\/[0-9a-f]+$/
const CANONICAL_LAYER_FOLDER = /\/_layers\/sha256\/([0-9a-f]{64})$/
const POOL_FOLDER = /\/([0-9a-f]{64})$/

/** The only file of a blob's folder in a repository. */
function linkOf(folder: string): string | undefined {
  return LAYER_FOLDER.test(folder) ? 'link' : undefined
}

/** The only file of a blob's folder in the pool. */
function dataOf(folder: string): string | undefined {
  return POOL_FOLDER.test(folder) ? 'data' : undefined
}

/** What a garbage collector sees of a registry, read off its layout by a flat scan. */
export class CollectableContent implements Collectable {
  readonly storage: StorageDriver
  readonly evict: Collectable['evict']
  readonly #removal: ManifestRemovalParts

  constructor({ storage, evict, ...removal }: CollectableContentParts) {
    this.storage = storage
    this.evict = evict
    this.#removal = { storage, ...removal }
  }

  /** Where folders are scanned one by one, blobs come after all manifests: until then it is not known which of
   *  them can be left out. */
  async *holdings({ without }: HoldingsOptions = {}): AsyncIterable<readonly Holding[]> {
    const isWanted = (folder: string) => {
      const [, hex] = (without && CANONICAL_LAYER_FOLDER.exec(folder)) ?? []
      return hex === undefined || !without?.(`sha256:${hex}` as Digest)
    }
    if (!this.storage.scansFolders) return yield* this.#holdings(isWanted)
    yield* this.#holdings((folder) => !LAYERS.test(folder))
    yield* this.#holdings((folder) => !MANIFESTS.test(folder) && isWanted(folder))
  }

  async *#holdings(isWanted: (folder: string) => boolean): AsyncIterable<readonly Holding[]> {
    const enters = (folder: string) => !OTHER_FOLDERS.test(folder) && isWanted(folder)
    for await (const files of this.storage.scan(REPOSITORIES, { enters, leaf: linkOf })) {
      const holdings: Holding[] = []
      for (const file of files) {
        const holding = await this.#holdingOf(file)
        if (holding !== undefined) holdings.push(holding)
      }
      if (holdings.length > 0) yield holdings
    }
  }

  async references(repository: RepositoryName, manifest: Digest): Promise<ManifestReferences> {
    let payload: Uint8Array
    try {
      payload = await this.storage.get(blobPath(manifest))
    } catch (error) {
      if (isPathNotFound(error)) return { unreadable: 'its bytes are missing' }
      throw error
    }
    if (digestOf(payload) !== manifest) return { unreadable: 'its bytes are damaged' }
    let references: readonly ManifestReference[]
    let subject: Digest | undefined
    try {
      const parsed = parseManifest(payload)
      references = parsed.references()
      subject = parsed.subject?.digest
    } catch (error) {
      if (error instanceof RegistryError) return { unreadable: error.message }
      throw error
    }
    const digests: Digest[] = []
    const optional = new Set<Digest>()
    let isOfRepository = false
    for (const { descriptor, required } of references) {
      if (algorithmOf(descriptor.digest) !== CANONICAL) isOfRepository = true
      const found = await this.#canonical(repository, descriptor.digest)
      digests.push(...found)
      if (!required) for (const digest of found) optional.add(digest)
    }
    return { digests, optional, isOfRepository, subject }
  }

  repositories({ after }: { after?: RepositoryName | undefined } = {}): AsyncIterable<RepositoryContent> {
    return readContents(this.storage, REPOSITORIES, { after })
  }

  async contentOf(repository: RepositoryName): Promise<RepositoryContent> {
    const { manifests } = new RepositoryPaths(repository)
    for await (const content of readContents(this.storage, manifests)) return content
    return { repository, manifests: [], tags: new Map(), brokenTags: [] }
  }

  condemn(repository: RepositoryName, options: CondemnOptions): Promise<Condemnation> {
    return ManifestRemoval.begin(this.#removal, { repository, ...options })
  }

  release(repository: RepositoryName): Promise<void> {
    return releaseManifests(this.#removal, repository)
  }

  async *blobsOf(repository: RepositoryName): AsyncIterable<Digest> {
    for await (const files of this.storage.scan(new RepositoryPaths(repository).layers, { leaf: linkOf })) {
      for (const file of files) {
        const holding = await this.#holdingOf(file)
        if (holding !== undefined) yield holding.digest
      }
    }
  }

  async *pool({ after, without }: PoolOptions = {}): AsyncIterable<readonly PooledBlob[]> {
    const enters = (folder: string) => {
      const [, hex] = (without && POOL_FOLDER.exec(folder)) ?? []
      return hex === undefined || !without?.(`sha256:${hex}` as Digest)
    }
    const options = after === undefined ? {} : { after: blobPath(after) }
    for await (const files of this.storage.scan(BLOBS, { ...options, enters, leaf: dataOf })) {
      const blobs: PooledBlob[] = []
      for (const { path, size, modifiedAt } of files) {
        const digest = digestOfBlobPath(path)
        if (digest !== undefined) blobs.push({ digest, size, modifiedAt })
      }
      if (blobs.length > 0) yield blobs
    }
  }

  pathOf(digest: Digest): string {
    return blobPath(digest)
  }

  /** A link by another algorithm is read: it says which blob it is about. Whatever has links is taken for a repository, also if this
   *  registry would not serve it. */
  async #holdingOf({ path, modifiedAt }: ScannedFile): Promise<Holding | undefined> {
    const [, inRepository, folder, signatureFolder] = LINK.exec(path) ?? []
    if (folder === undefined) return undefined
    const repository = inRepository as RepositoryName
    const isSignature = signatureFolder !== undefined
    const name = parseDigestFolder(signatureFolder ?? folder)
    if (name === undefined) return undefined
    const digest = algorithmOf(name) === CANONICAL ? name : await readTarget(this.storage, path)
    if (digest === undefined) return undefined
    if (isSignature) return { kind: 'signature', repository, digest }
    return path.includes('/_layers/', REPOSITORIES.length)
      ? { kind: 'blob', repository, digest, linkedAt: modifiedAt }
      : { kind: 'manifest', repository, digest }
  }

  /** A name by another algorithm may be that of a blob or of a manifest. */
  async #canonical(repository: RepositoryName, name: Digest): Promise<Digest[]> {
    if (algorithmOf(name) === CANONICAL) return [name]
    const { layers, revisions } = new RepositoryPaths(repository)
    const place = digestFolder(name)
    const targets = await Promise.all([
      readTarget(this.storage, `${layers}/${place}/link`),
      readTarget(this.storage, `${revisions}/${place}/link`),
    ])
    return targets.filter((target) => target !== undefined)
  }
}
