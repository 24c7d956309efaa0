import type { Descriptor } from '../../core/descriptor.ts'
import { algorithmOf, CANONICAL, type Digest, isDigest } from '../../core/digest.ts'
import { isPathNotFound, RegistryError } from '../../core/errors.ts'
import { isTag, type RepositoryName, type Tag } from '../../core/reference.ts'
import type { Page, TagService } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { settleAll } from '../../lib/settle-all.ts'
import { LinkSet, type Links } from '../links/links.ts'
import type { Deletions } from '../manifests/deletions.ts'
import type { RepositoryPaths } from '../paths.ts'
import type { TagDigestCache, TaggedManifest } from './tag-digest-cache.ts'

export interface TagServiceParts {
  readonly repository: RepositoryName
  readonly paths: RepositoryPaths
  readonly storage: StorageDriver
  readonly links: Links
  readonly revisions: LinkSet
  readonly names: TagDigestCache
  readonly deletions: Deletions
}

/** How many tags are looked at side by side while they are listed. */
const LISTING_CONCURRENCY = 16

/** A tag is its `current` link: a folder without one, as a crash may leave it, is no tag. */
export class LinkedTags implements TagService {
  readonly #parts: TagServiceParts

  constructor(parts: TagServiceParts) {
    this.#parts = parts
  }

  async get(tag: Tag): Promise<Digest> {
    const canonical = await this.#current(tag)
    if (canonical === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { detail: { tag } })
    const content = this.#content(tag, canonical)
    const known = this.#parts.names.get(content)
    if (known !== undefined) return known
    const given = await this.#name(tag)
    const isCurrent = given !== undefined && (await this.#parts.revisions.get(given)) === canonical
    const name = isCurrent ? given : canonical
    this.#parts.names.set(content, name)
    return name
  }

  /** The tag is acknowledged once no deletion has been under way while it was written, or has left it alone. */
  async tag(tag: Tag, { digest }: Descriptor): Promise<void> {
    const { revisions, deletions, names } = this.#parts
    const canonical = algorithmOf(digest) === CANONICAL ? digest : await revisions.get(digest)
    if (canonical === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { detail: { digest } })
    for (let isThere = false; !isThere; ) {
      await this.#write(tag, { canonical, name: digest })
      if (!(await deletions.hasDeletedSince(deletions.markOf(canonical)))) break
      const { mark } = deletions
      if ((await revisions.get(canonical)) === undefined) {
        await deletions.during(() => this.#takeBack(tag, canonical))
        throw new RegistryError('MANIFEST_UNKNOWN', { detail: { digest } })
      }
      deletions.stood(canonical, mark)
      isThere = (await this.#current(tag)) !== undefined
    }
    names.forget(this.#content(tag, canonical))
  }

  async untag(tag: Tag): Promise<void> {
    if ((await this.#current(tag)) === undefined)
      throw new RegistryError('MANIFEST_UNKNOWN', { detail: { tag } })
    await this.#remove(tag)
  }

  /** Removes a tag if it still names the manifest. */
  async untagFrom(tag: Tag, canonical: Digest): Promise<void> {
    if ((await this.#current(tag)) === canonical) await this.#remove(tag)
  }

  async *all(page: Page = {}): AsyncIterable<Tag> {
    for await (const { tag, digest } of this.#entries(page)) if (digest !== undefined) yield tag
  }

  async *lookup(digest: Digest): AsyncIterable<Tag> {
    for await (const entry of this.#entries({})) if (entry.digest === digest) yield entry.tag
  }

  history(tag: Tag): AsyncIterable<Digest> {
    return this.#index(tag).all()
  }

  async #write(tag: Tag, { canonical, name }: { canonical: Digest; name: Digest }): Promise<void> {
    const paths = this.#parts.paths.tag(tag)
    const indexed = this.#index(tag).add(canonical)
    if (name !== canonical) {
      await settleAll([
        indexed,
        this.#parts.storage.put(paths.currentName, Buffer.from(name), { after: indexed }),
      ])
    }
    await settleAll([indexed, this.#parts.links.write(paths.current, canonical, { after: indexed })])
  }

  async #remove(tag: Tag): Promise<void> {
    const paths = this.#parts.paths.tag(tag)
    await this.#parts.storage.delete(paths.current)
    await this.#parts.storage.delete(paths.folder, { durable: false })
  }

  /** Another process may have pushed the manifest again since. */
  async #takeBack(tag: Tag, canonical: Digest): Promise<void> {
    if ((await this.#parts.revisions.get(canonical)) === undefined) await this.untagFrom(tag, canonical)
  }

  #entries(page: Page): AsyncIterable<{ tag: Tag; digest: Digest | undefined }> {
    const look = async (tag: Tag) => ({ tag, digest: await this.#current(tag) })
    return mapInOrder(this.#names(page), { concurrency: LISTING_CONCURRENCY, work: look })
  }

  async *#names({ after }: Page): AsyncIterable<Tag> {
    for await (const { name } of this.#parts.storage.list(this.#parts.paths.tags, { after })) {
      if (isTag(name)) yield name
    }
  }

  #current(tag: Tag): Promise<Digest | undefined> {
    return this.#parts.links.read(this.#parts.paths.tag(tag).current)
  }

  /** What the tag was last given by another algorithm; it may name another manifest by now. */
  async #name(tag: Tag): Promise<Digest | undefined> {
    try {
      const text = Buffer.from(
        await this.#parts.storage.get(this.#parts.paths.tag(tag).currentName),
      ).toString()
      return isDigest(text) ? text : undefined
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  #content(tag: Tag, canonical: Digest): TaggedManifest {
    return { repository: this.#parts.repository, tag, canonical }
  }

  #index(tag: Tag): LinkSet {
    return new LinkSet(this.#parts.paths.tag(tag).index, this.#parts)
  }
}
