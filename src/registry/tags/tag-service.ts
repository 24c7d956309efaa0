import type { Descriptor } from '../../core/descriptor.ts'
import { algorithmOf, CANONICAL, type Digest, isDigest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { isTag, type Tag } from '../../core/reference.ts'
import type { Page, TagEntry, TagService, UntagOptions } from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { settleAll } from '../../lib/settle-all.ts'
import type { RepositoryContext } from '../context.ts'
import { LinkSet } from '../links/links.ts'
import { readIfPresent, statIfPresent } from '../read-if-present.ts'
import type { TaggedManifest } from './tag-digest-cache.ts'

/** Tags that are read concurrently during listing. */
const LISTING_CONCURRENCY = 16

/** The tags of a repository. A tag is its `current` link; a folder without one, left by a crash, is no
 *  tag. */
export class LinkedTags implements TagService {
  readonly #context: RepositoryContext

  constructor(context: RepositoryContext) {
    this.#context = context
  }

  async get(tag: Tag): Promise<Digest> {
    const digest = await this.find(tag)
    if (digest === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { detail: { tag } })
    return digest
  }

  async find(tag: Tag): Promise<Digest | undefined> {
    const canonical = await this.#current(tag)
    if (canonical === undefined) return undefined
    const content = this.#content(tag, canonical)
    const known = this.#context.tagDigests.get(content)
    if (known !== undefined) return known
    const given = await this.#name(tag)
    const isCurrent = given !== undefined && (await this.#context.revisions.get(given)) === canonical
    const name = isCurrent ? given : canonical
    this.#context.tagDigests.set(content, name)
    return name
  }

  /** Points the tag to a manifest. It is acknowledged once no deletion has run while it was written, or none
   *  has affected it. */
  async tag(tag: Tag, { digest }: Descriptor): Promise<void> {
    const { revisions, deletions, tagDigests } = this.#context
    const canonical = algorithmOf(digest) === CANONICAL ? digest : await revisions.get(digest)
    if (canonical === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { detail: { digest } })
    const children = deletions.standingOf(canonical)?.children ?? []
    let needed = [canonical]
    for (let isThere = false; !isThere; ) {
      await this.#write(tag, { canonical, name: digest })
      if (!(await deletions.hasDeletedSince(deletions.standingOf(canonical)?.mark, needed))) break
      const { mark } = deletions
      const found = await this.#findAll([canonical, ...children])
      if (found === undefined) {
        await deletions.during(() => this.#takeBack(tag, { canonical, children }))
        throw new RegistryError('MANIFEST_UNKNOWN', { detail: { digest } })
      }
      deletions.stood(canonical, mark, children)
      // Another push may have linked an index again that was removed, and the removal of its children goes on.
      needed = found
      isThere = children.length === 0 && (await this.#current(tag)) !== undefined
    }
    tagDigests.forget(this.#content(tag, canonical))
  }

  async untag(tag: Tag, { announce, unchangedSince }: UntagOptions = {}): Promise<void> {
    if (unchangedSince !== undefined) return this.#untagUnchanged(unchangedSince, announce)
    if ((await this.#current(tag)) === undefined)
      throw new RegistryError('MANIFEST_UNKNOWN', { detail: { tag } })
    await announce?.(tag)
    await this.#remove(tag)
  }

  /** While a deletion runs a push waits once its tag is written, and afterwards writes again what is gone. So what was
   *  acknowledged before is seen here, and what comes later stands in the end. */
  async #untagUnchanged({ tag, digest, setAt }: TagEntry, announce: UntagOptions['announce']): Promise<void> {
    await this.#context.deletions.during(async (requireHeld) => {
      const written = await statIfPresent(this.#context.storage, this.#context.paths.tag(tag).current)
      const isUnchanged =
        written?.kind === 'file' && written.modifiedAt <= setAt && (await this.#current(tag)) === digest
      if (!isUnchanged) throw new RegistryError('MANIFEST_UNKNOWN', { detail: { tag, digest } })
      await announce?.(tag)
      requireHeld()
      await this.#remove(tag)
    })
  }

  /** Removes a tag if it still names the manifest.
   *  @returns whether it did */
  async untagFrom(tag: Tag, canonical: Digest): Promise<boolean> {
    if ((await this.#current(tag)) !== canonical) return false
    await this.#remove(tag)
    return true
  }

  async *all(page: Page = {}): AsyncIterable<Tag> {
    for await (const { tag, digest } of this.#entries(page)) if (digest !== undefined) yield tag
  }

  /** By a scan, because that gives the times of many links in one request, on a disk also their content. */
  async *entries(): AsyncIterable<TagEntry> {
    const work = ({ tag, setAt, digest }: FoundTag): TagEntry | undefined | Promise<TagEntry | undefined> =>
      digest === undefined ? this.#entryOf(tag, setAt) : { tag, digest, setAt }
    for await (const found of this.#found()) {
      // Not `yield*`, which creates three promises for each.
      if (found.every(isRead)) for (const entry of found) yield entry
      else yield* definedOf(mapInOrder(found, { concurrency: LISTING_CONCURRENCY, work }))
    }
  }

  /** The time is read first: if the tag is set in between, it seems older than it is, never newer. */
  async entry(tag: Tag): Promise<TagEntry | undefined> {
    const written = await statIfPresent(this.#context.storage, this.#context.paths.tag(tag).current)
    if (written?.kind !== 'file') return undefined
    const digest = await this.#current(tag)
    return digest && { tag, digest, setAt: written.modifiedAt }
  }

  async *lookup(digest: Digest): AsyncIterable<Tag> {
    for await (const entry of this.#entries({})) if (entry.digest === digest) yield entry.tag
  }

  history(tag: Tag): AsyncIterable<Digest> {
    return this.#index(tag).all()
  }

  async #write(tag: Tag, { canonical, name }: { canonical: Digest; name: Digest }): Promise<void> {
    const paths = this.#context.paths.tag(tag)
    const indexed = this.#index(tag).add(canonical)
    if (name !== canonical) {
      await settleAll([
        indexed,
        this.#context.storage.put(paths.currentName, Buffer.from(name), { after: indexed }),
      ])
    }
    await settleAll([indexed, this.#context.links.write(paths.current, canonical, { after: indexed })])
  }

  async #remove(tag: Tag): Promise<void> {
    const paths = this.#context.paths.tag(tag)
    await this.#context.storage.delete(paths.current)
    await this.#context.storage.delete(paths.folder, { durable: false })
  }

  /** Removes the tag, unless the manifest was pushed again meanwhile. */
  async #takeBack(
    tag: Tag,
    { canonical, children }: { canonical: Digest; children: readonly Digest[] },
  ): Promise<void> {
    const found = await this.#findAll([canonical, ...children])
    if (found === undefined) await this.untagFrom(tag, canonical)
  }

  /** The canonical digests of manifests. Undefined if the repository has not all of them. */
  async #findAll(names: readonly Digest[]): Promise<Digest[] | undefined> {
    const found: Digest[] = []
    const work = (name: Digest) => this.#context.revisions.get(name)
    for await (const canonical of mapInOrder(names, { concurrency: LISTING_CONCURRENCY, work })) {
      if (canonical === undefined) return undefined
      found.push(canonical)
    }
    return found
  }

  #entries(page: Page): AsyncIterable<{ tag: Tag; digest: Digest | undefined }> {
    const look = async (tag: Tag) => ({ tag, digest: await this.#current(tag) })
    return mapInOrder(this.#names(page), { concurrency: LISTING_CONCURRENCY, work: look })
  }

  async *#names({ after }: Page): AsyncIterable<Tag> {
    for await (const { name } of this.#context.storage.list(this.#context.paths.tags, { after })) {
      if (isTag(name)) yield name
    }
  }

  /** The tags with a link, a page at a time. */
  async *#found(): AsyncIterable<FoundTag[]> {
    const { links, storage, paths } = this.#context
    const { tags } = paths
    const relative = (path: string) => path.slice(tags.length + 1)
    const enters = (folder: string) => !/^[^/]+\/index$/.test(relative(folder))
    // A tag has two folders for each manifest that it ever named, and only one file that counts.
    const leaf = (folder: string) => (relative(folder).includes('/') ? undefined : 'current/link')
    for await (const files of storage.scan(tags, { enters, leaf, contents: true })) {
      const found: FoundTag[] = []
      for (const { path, modifiedAt, content } of files) {
        const [, tag = ''] = /^([^/]+)\/current\/link$/.exec(relative(path)) ?? []
        if (!isTag(tag)) continue
        found.push({ tag, setAt: modifiedAt, digest: content && links.digestIn(content, path) })
      }
      yield found
    }
  }

  async #entryOf(tag: Tag, setAt: Date): Promise<TagEntry | undefined> {
    const digest = await this.#current(tag)
    return digest && { tag, digest, setAt }
  }

  #current(tag: Tag): Promise<Digest | undefined> {
    return this.#context.links.read(this.#context.paths.tag(tag).current)
  }

  /** The digest by another algorithm that the tag was last given. It may belong to another manifest by
   *  now. */
  async #name(tag: Tag): Promise<Digest | undefined> {
    const { storage, paths } = this.#context
    const text = (await readIfPresent(storage, paths.tag(tag).currentName))?.toString()
    return text !== undefined && isDigest(text) ? text : undefined
  }

  #content(tag: Tag, canonical: Digest): TaggedManifest {
    return { repository: this.#context.name, tag, canonical }
  }

  #index(tag: Tag): LinkSet {
    return new LinkSet(this.#context.paths.tag(tag).index, this.#context)
  }
}

/** A tag with the time of its link, and what it names if that is known yet. */
interface FoundTag extends Omit<TagEntry, 'digest'> {
  readonly digest: Digest | undefined
}

function isRead(found: FoundTag): found is TagEntry {
  return found.digest !== undefined
}

async function* definedOf<Item>(items: AsyncIterable<Item | undefined>): AsyncIterable<Item> {
  for await (const item of items) if (item !== undefined) yield item
}
