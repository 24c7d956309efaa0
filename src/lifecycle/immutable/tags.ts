import {
  LockBusy,
  type LockHolder,
  LockLost,
  type LockTiming,
  SharedLock,
} from '../../core/coordination/shared-lock.ts'
import type { Descriptor } from '../../core/descriptor.ts'
import { algorithmOf, CANONICAL, type Digest, digestOf, isDigest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { ForwardingTags } from '../../core/forwarding-registry.ts'
import type { Tag } from '../../core/reference.ts'
import type { Repository, TagOptions, TagReading, UntagOptions } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { tagLockPath } from '../paths.ts'
import { cannotMove, requireDeletable } from './refusal.ts'
import type { TagRules } from './rules.ts'

export type LockStorage = Pick<StorageDriver, 'getState' | 'swapState'>

/** The parts of the tags' locks. */
export interface TagLocks {
  readonly storage: LockStorage
  readonly timing: LockTiming
}

interface Parts {
  readonly rules: TagRules
  readonly locks: TagLocks
}

/** Times that a push begins anew because another process has taken over its lock. */
const MAX_LOSSES = 3

/** Tags of a repository, some of them immutable. An immutable tag is written by the one process that has its lock, and
 *  only if it is free or names the same manifest. */
export class ImmutableTags extends ForwardingTags {
  readonly #repository: Repository
  readonly #parts: Parts

  constructor(repository: Repository, parts: Parts) {
    super(repository.tags)
    this.#repository = repository
    this.#parts = parts
  }

  override async tag(tag: Tag, descriptor: Descriptor, options: TagOptions = {}): Promise<void> {
    if (this.#parts.rules.ofTag(tag) === undefined) return super.tag(tag, descriptor, options)
    const digest = await this.#canonical(descriptor.digest)
    await this.requireFree(tag, digest, options.before)
    for (let losses = 0; ; ) {
      try {
        return await this.#locked(tag, async ({ note, requireHeld }) => {
          if (losses > 0) await this.#takeBack(tag, digest, note)
          const before = await this.requireFree(tag, digest)
          requireHeld()
          await super.tag(tag, descriptor, { before })
          return digest
        })
      } catch (error) {
        if (!(error instanceof LockLost)) throw error
        if (++losses > MAX_LOSSES) throw busy(tag, error)
      }
    }
  }

  override async untag(tag: Tag, options?: UntagOptions): Promise<void> {
    const { rules } = this.#parts
    if (rules.ofTag(tag) === undefined) return super.untag(tag, options)
    requireDeletable(rules, tag)
    await this.get(tag)
    try {
      await this.#locked(tag, async ({ requireHeld }) => {
        requireHeld()
        await super.untag(tag, options)
        return undefined
      })
    } catch (error) {
      throw error instanceof LockLost ? busy(tag, error) : error
    }
  }

  /** Checks an immutable tag before it is set.
   *  @param digest canonical
   *  @param known what the tag names. Default: it is read
   *  @returns what the tag names
   *  @throws RegistryError TAG_IMMUTABLE if that is another manifest */
  async requireFree(tag: Tag, digest: Digest, known?: TagReading): Promise<TagReading> {
    const reading = known ?? { digest: await this.find(tag) }
    const current = await this.#manifestOf(reading)
    const rule = this.#parts.rules.ofTag(tag)
    if (rule !== undefined && current !== undefined && current !== digest)
      throw cannotMove(tag, rule, current)
    return reading
  }

  /** Undoes a late write of this process: it stood still, its lock was taken over, and the new holder has set the tag
   *  meanwhile.
   *  @param winner the digest that the last holder has set */
  async #takeBack(tag: Tag, digest: Digest, winner: string | undefined): Promise<void> {
    if (winner === undefined || winner === digest || !isDigest(winner)) return
    if ((await this.#manifestOf({ digest: await this.find(tag) })) !== digest) return
    await super.tag(tag, (await this.#repository.manifests.get(winner)).descriptor)
  }

  /** The canonical digest of the manifest that a tag names. */
  async #manifestOf({ digest }: TagReading): Promise<Digest | undefined> {
    try {
      return digest && (await this.#canonical(digest))
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return undefined
      throw error
    }
  }

  async #canonical(digest: Digest): Promise<Digest> {
    if (algorithmOf(digest) === CANONICAL) return digest
    return digestOf((await this.#repository.manifests.get(digest)).payload)
  }

  /** @param work returns the digest that it has set, for the next holder */
  async #locked(tag: Tag, work: (holder: LockHolder) => Promise<Digest | undefined>): Promise<void> {
    const path = tagLockPath(this.#repository.name, tag)
    try {
      await new SharedLock({ ...this.#parts.locks, path }).during(work)
    } catch (error) {
      throw error instanceof LockBusy ? busy(tag, error) : error
    }
  }
}

function busy(tag: Tag, cause: Error): RegistryError {
  const message = `another process is setting the tag ${tag}`
  return new RegistryError('UNAVAILABLE', { message, detail: { tag }, cause })
}
