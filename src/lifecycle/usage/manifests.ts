import type { Descriptor } from '../../core/descriptor.ts'
import { algorithmOf, CANONICAL, type Digest, digestOf } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { ForwardingManifests } from '../../core/forwarding-registry.ts'
import type { Manifest } from '../../core/manifest/manifest.ts'
import { parseManifest } from '../../core/manifest/parse.ts'
import type { Tag } from '../../core/reference.ts'
import type { DeleteManifestOptions, PutManifestOptions, Repository } from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { Account } from './account.ts'

const READ_CONCURRENCY = 16
/** How long what is known of a repository's manifests is relied on. */
const KNOWN_MS = 60_000

/** Manifests of a repository, which count as they are pushed; a deletion frees at once what nothing else in the repository needs. */
export class CountedManifests extends ForwardingManifests {
  readonly #repository: Repository
  readonly #account: Account
  #known: { readonly references: Map<Digest, readonly Digest[]>; readonly at: number } | undefined

  constructor(repository: Repository, account: Account) {
    super(repository.manifests)
    this.#repository = repository
    this.#account = account
  }

  override async put(
    manifest: Manifest,
    digest?: Digest,
    options: PutManifestOptions = {},
  ): Promise<Descriptor> {
    await this.#requireRoomFor(options.tags ?? [])
    const canonical = digestOf(manifest.payload)
    const work = () => super.put(manifest, digest, options)
    return this.#account.inTurn(canonical, async () => {
      if (await this.exists(canonical)) return work()
      const stored = await this.#account.add({ bytes: manifest.payload.length, tags: 0 }, work)
      this.#known?.references.set(canonical, referencesOf(manifest.payload))
      return stored
    })
  }

  override async delete(digest: Digest, options?: DeleteManifestOptions): Promise<readonly Tag[]> {
    const canonical = await this.#canonical(digest)
    const bytes = await this.#bytesOfOnly(canonical)
    const tags = await super.delete(digest, options)
    this.#known?.references.delete(canonical)
    this.#account.remove({ bytes, tags: tags.length })
    return tags
  }

  /** Looks for tags that exist only if there is no room for all of them. */
  async #requireRoomFor(tags: readonly Tag[]): Promise<void> {
    if (tags.length === 0 || (await this.#account.hasRoomFor({ bytes: 0, tags: tags.length }))) return
    let count = 0
    for (const tag of tags) if ((await this.#repository.tags.find(tag)) === undefined) count++
    await this.#account.require({ bytes: 0, tags: count })
  }

  async #canonical(digest: Digest): Promise<Digest> {
    return algorithmOf(digest) === CANONICAL ? digest : digestOf((await this.get(digest)).payload)
  }

  /** The bytes that no other manifest of the repository needs. */
  async #bytesOfOnly(canonical: Digest): Promise<number> {
    const references = await this.#references()
    const own = new Set(references.get(canonical))
    for (const [manifest, others] of references) {
      if (own.size === 0) break
      if (manifest !== canonical) for (const one of others) own.delete(one)
    }
    let bytes = await this.#sizeOfManifest(canonical)
    for (const blob of own) bytes += references.has(blob) ? 0 : await this.#sizeOfBlob(blob)
    return bytes
  }

  async #references(): Promise<Map<Digest, readonly Digest[]>> {
    if (this.#known !== undefined && performance.now() - this.#known.at < KNOWN_MS)
      return this.#known.references
    const at = performance.now()
    const references = new Map<Digest, readonly Digest[]>()
    const work = async (digest: Digest) => ({ digest, found: await this.#read(digest) })
    for await (const { digest, found } of mapInOrder(this.all(), { concurrency: READ_CONCURRENCY, work }))
      if (algorithmOf(digest) === CANONICAL) references.set(digest, found)
    this.#known = { references, at }
    return references
  }

  /** Nothing of what is gone by then. */
  async #read(digest: Digest): Promise<readonly Digest[]> {
    try {
      return referencesOf((await this.get(digest)).payload)
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return []
      throw error
    }
  }

  async #sizeOfManifest(digest: Digest): Promise<number> {
    return (await this.get(digest)).payload.length
  }

  async #sizeOfBlob(digest: Digest): Promise<number> {
    try {
      return (await this.#repository.blobs.stat(digest)).size
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'BLOB_UNKNOWN') return 0
      throw error
    }
  }
}

/** None of what can't be read. */
function referencesOf(payload: Uint8Array): readonly Digest[] {
  try {
    return parseManifest(payload)
      .references()
      .map(({ descriptor }) => descriptor.digest)
  } catch (error) {
    if (error instanceof RegistryError) return []
    throw error
  }
}
