import type { Digest } from '../../core/digest.ts'
import { isPathNotFound, RegistryError } from '../../core/errors.ts'
import type { Restoration, RestoreOptions, TaggedDigest } from '../../core/lifecycle/history.ts'
import type { Manifest } from '../../core/manifest/manifest.ts'
import { parseManifest } from '../../core/manifest/parse.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import type { Repository } from '../../core/registry.ts'
import type { DeletedLink, DeletedManifest } from './records.ts'
import type { StoredDeletion } from './trash.ts'

/** The bytes that all repositories share, whether or not one of them has a link to them. */
export interface PooledContent {
  /** @throws StorageError PATH_NOT_FOUND */
  read(canonical: Digest): Promise<Uint8Array>
  /** @throws RegistryError BLOB_UNKNOWN if the bytes are gone */
  relink(repository: RepositoryName, link: { name: Digest; target: Digest }): Promise<void>
}

const MAX_ATTEMPTS = 5

/** Puts back what a deletion has taken. All of it goes the way of a push, so a collector that runs at the same time sees it, and what
 *  is missing by then is not acknowledged. */
export class Restorer {
  readonly #repository: Repository
  readonly #content: PooledContent

  constructor(repository: Repository, content: PooledContent) {
    this.#repository = repository
    this.#content = content
  }

  async restore(
    { id, tags, manifests, links = [], movedTo }: StoredDeletion,
    { force }: RestoreOptions,
  ): Promise<Restoration> {
    for (const link of links) await this.#relink(link)
    const { restored, lost } = await this.#putAll(manifests)
    const back: TaggedDigest[] = []
    const conflicts: TaggedDigest[] = []
    for (const one of tags) {
      const current = await this.#repository.tags.find(one.tag)
      const isFree = current === undefined || current === one.digest || current === movedTo
      if (current !== undefined && !isFree && !force) conflicts.push({ tag: one.tag, digest: current })
      else if (current === one.digest || (await this.#tag(one, manifests))) back.push(one)
    }
    return { id, tags: back, manifests: restored, conflicts, lost }
  }

  /** Images before the indexes that list them: what is refused is tried again as long as others succeed. */
  async #putAll(manifests: readonly DeletedManifest[]): Promise<{ restored: Digest[]; lost: Digest[] }> {
    const restored: Digest[] = []
    let left = manifests
    for (let before = left.length + 1; left.length < before && left.length > 0; ) {
      before = left.length
      const refused: DeletedManifest[] = []
      for (const one of left) {
        if (await this.#repository.manifests.exists(one.digest)) continue
        if (await this.#put(one)) restored.push(one.digest)
        else refused.push(one)
      }
      left = refused
    }
    return { restored, lost: left.map(({ digest }) => digest) }
  }

  /** @returns false if something that it needs is missing */
  async #put(deleted: DeletedManifest, tags: readonly Tag[] = []): Promise<boolean> {
    const manifest = await this.#read(deleted)
    if (manifest === undefined) return false
    try {
      for (const name of [...(deleted.aliases ?? []), deleted.digest])
        await this.#repository.manifests.put(manifest, name, { tags })
      return true
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'MANIFEST_BLOB_UNKNOWN') return false
      throw error
    }
  }

  /** Sets a tag, and puts its manifest again if that was deleted meanwhile.
   *  @returns false if the manifest can't be put back */
  async #tag({ tag, digest }: TaggedDigest, manifests: readonly DeletedManifest[]): Promise<boolean> {
    const { manifests: service, tags } = this.#repository
    for (let attempt = 1; ; attempt++) {
      try {
        const { descriptor } = await service.get(digest)
        await tags.tag(tag, descriptor)
        return true
      } catch (error) {
        if (!(error instanceof RegistryError) || error.code !== 'MANIFEST_UNKNOWN') throw error
        if (attempt === MAX_ATTEMPTS) throw new RegistryError('UNAVAILABLE', { cause: error })
        const deleted = manifests.find((one) => one.digest === digest || one.aliases?.includes(digest))
        if (deleted === undefined || !(await this.#put(deleted, [tag]))) return false
      }
    }
  }

  /** Undefined if its bytes are gone. */
  async #read({ digest, signatures = [] }: DeletedManifest): Promise<Manifest | undefined> {
    try {
      const manifest = parseManifest(await this.#content.read(digest))
      return signatures.length === 0
        ? manifest
        : { ...manifest, signatures: signatures.map((one) => Buffer.from(one, 'base64')) }
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  /** A blob that is gone is reported by the manifests that need it. */
  async #relink([name, target]: DeletedLink): Promise<void> {
    try {
      if (await this.#repository.blobs.has(name)) return
      await this.#content.relink(this.#repository.name, { name, target })
    } catch (error) {
      if (!(error instanceof RegistryError) || error.code !== 'BLOB_UNKNOWN') throw error
    }
  }
}
