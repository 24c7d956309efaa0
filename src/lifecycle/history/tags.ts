import type { Descriptor } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'
import { algorithmOf, CANONICAL, digestOf } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { ForwardingTags } from '../../core/forwarding-registry.ts'
import type { Tag } from '../../core/reference.ts'
import type { Repository, UntagOptions } from '../../core/registry.ts'
import { settleAll } from '../../lib/settle-all.ts'
import type { Recorder } from './recorder.ts'

/** Tags of a repository, whose changes are recorded. */
export class RecordedTags extends ForwardingTags {
  readonly #repository: Repository
  readonly #recorder: Recorder

  constructor(repository: Repository, recorder: Recorder) {
    super(repository.tags)
    this.#repository = repository
    this.#recorder = recorder
  }

  /** Setting a tag to what it names already is no change. The change is recorded beside the tag's own writes, and taken back if they
   *  fail. */
  override async tag(tag: Tag, descriptor: Descriptor): Promise<void> {
    const to = descriptor.digest
    const from = await this.current(tag)
    if (from === to) return super.tag(tag, descriptor)
    const { journal, author } = this.#recorder
    const action = from === undefined ? 'set' : 'moved'
    const recorded = journal.record(this.#repository.name, { tag, action, from, to, ...author })
    const tagged = super.tag(tag, descriptor)
    try {
      await settleAll([tagged, recorded])
    } catch (error) {
      const takeBack = await recorded.catch(() => undefined)
      await takeBack?.()
      throw error
    }
  }

  override untag(tag: Tag, options: UntagOptions = {}): Promise<void> {
    const announce = async (removed: Tag) => {
      await options.announce?.(removed)
      await this.#recordRemoval(tag)
    }
    return super.untag(tag, { ...options, announce })
  }

  async #recordRemoval(tag: Tag): Promise<void> {
    const digest = await this.current(tag)
    if (digest === undefined) return
    const { journal, trash, author, windowMs, isRecorded } = this.#recorder
    const { name } = this.#repository
    const tags = [{ tag, digest }]
    if (!isRecorded) {
      const manifests = [{ digest: await this.#canonical(digest) }]
      await trash.record(name, { kind: 'tag', windowMs, tags, manifests, ...author })
    }
    await journal.record(name, { tag, action: 'removed', from: digest, ...author })
  }

  /** The digest that a tag names; undefined if there is no such tag. */
  async current(tag: Tag): Promise<Digest | undefined> {
    try {
      return await this.get(tag)
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return undefined
      throw error
    }
  }

  async #canonical(digest: Digest): Promise<Digest> {
    if (algorithmOf(digest) === CANONICAL) return digest
    return digestOf((await this.#repository.manifests.get(digest)).payload)
  }
}
