import type { Descriptor } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'
import { algorithmOf, CANONICAL, digestOf } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { ForwardingTags } from '../../core/forwarding-registry.ts'
import type { Tag } from '../../core/reference.ts'
import type { Repository, TagOptions, UntagOptions } from '../../core/registry.ts'
import { settleAll } from '../../lib/settle-all.ts'
import type { Recorder } from './recorder.ts'
import type { RecordStamp } from './records.ts'

interface Move {
  readonly tag: Tag
  readonly from: Digest
  readonly to: Digest
}

/** Tags of a repository, whose changes are recorded. */
export class RecordedTags extends ForwardingTags {
  readonly #repository: Repository
  readonly #recorder: Recorder

  constructor(repository: Repository, recorder: Recorder) {
    super(repository.tags)
    this.#repository = repository
    this.#recorder = recorder
  }

  /** Setting a tag to what it names already is no change. What it named before is durably in the trash first; the change is recorded
   *  beside the tag's own writes. Both are taken back if these fail. */
  override async tag(tag: Tag, descriptor: Descriptor, options: TagOptions = {}): Promise<void> {
    const to = descriptor.digest
    const before = options.before ?? { digest: await this.find(tag) }
    const from = before.digest
    if (from === to) return super.tag(tag, descriptor, { before })
    const { journal, author } = this.#recorder
    const stamp = this.#recorder.stamp()
    const forget = from && (await this.#keep({ tag, from, to }, stamp))
    const action = from === undefined ? 'set' : 'moved'
    const recorded = journal.record(this.#repository.name, { ...stamp, tag, action, from, to, ...author })
    const tagged = super.tag(tag, descriptor, { before })
    try {
      await settleAll([tagged, recorded])
    } catch (error) {
      const takeBack = await recorded.catch(() => undefined)
      await takeBack?.()
      if ((await this.find(tag)) === from) await forget?.()
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

  /** Records what a tag is about to be moved from, durably: a collector that finds the tag moved finds the record.
   *  @returns removes the record; undefined if there is nothing to keep */
  async #keep({ tag, from, to }: Move, stamp: RecordStamp): Promise<(() => Promise<void>) | undefined> {
    const { trash, author, movedWindowMs: windowMs } = this.#recorder
    const repository = this.#repository.name
    const digest = windowMs > 0 ? await this.#canonical(from) : undefined
    if (digest === undefined) return undefined
    await trash.record(repository, {
      ...{ ...stamp, kind: 'move', windowMs, ...author },
      ...{ tags: [{ tag, digest: from }], manifests: [{ digest }], movedTo: to },
    })
    return () => trash.remove({ repository, id: stamp.id, kind: 'move' })
  }

  async #recordRemoval(tag: Tag): Promise<void> {
    const digest = await this.find(tag)
    if (digest === undefined) return
    const { journal, trash, author, windowMs, isRecorded } = this.#recorder
    const { name } = this.#repository
    const tags = [{ tag, digest }]
    if (!isRecorded) {
      const canonical = await this.#canonical(digest)
      const manifests = canonical === undefined ? [] : [{ digest: canonical }]
      await trash.record(name, {
        ...{ ...this.#recorder.stamp(), kind: 'tag', windowMs, tags, manifests, ...author },
      })
    }
    await journal.record(name, {
      ...{ ...this.#recorder.stamp(), tag, action: 'removed', from: digest, ...author },
    })
  }

  /** Undefined if there is no such manifest. */
  async #canonical(digest: Digest): Promise<Digest | undefined> {
    if (algorithmOf(digest) === CANONICAL) return digest
    const manifest = await ifKnown(this.#repository.manifests.get(digest))
    return manifest && digestOf(manifest.payload)
  }
}

async function ifKnown<Found>(found: Promise<Found>): Promise<Found | undefined> {
  try {
    return await found
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return undefined
    throw error
  }
}
