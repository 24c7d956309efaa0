import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { ForwardingTags } from '../../core/forwarding-registry.ts'
import { isTag, type Tag } from '../../core/reference.ts'
import type { CacheStatus, Page, UntagOptions } from '../../core/registry.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import { SharedWork } from '../../lib/request-coalescing.ts'
import { clientError } from '../upstream/upstream.ts'
import { type MirroredRepositoryContext, memoryKey, type TagCheck } from './context.ts'
import type { MirroredManifests } from './mirrored-manifests.ts'
import { pushRefused } from './push-refused.ts'

/** Tags with the upstream's current digests, found by a HEAD request that concurrent callers share. If the
 *  upstream does not answer, the cached digest is served as stale. */
export class MirroredTags extends ForwardingTags {
  readonly #context: MirroredRepositoryContext
  readonly #manifests: MirroredManifests
  readonly #checks = new SharedWork<TagCheck>()
  readonly #lists = new SharedWork<string[]>()

  constructor(context: MirroredRepositoryContext, manifests: MirroredManifests) {
    super(context.stored.tags)
    this.#context = context
    this.#manifests = manifests
  }

  override async get(tag: Tag): Promise<Digest> {
    const known = this.#recent(tag)
    if (known !== undefined) return this.#answer(tag, known, 'hit')
    const copy = await this.#copy(tag)
    if (copy === undefined) return this.#answer(tag, await this.#checkForClient(tag), 'miss')
    const found = await this.#checkOrCopy(tag)
    if (found === 'stale')
      return this.#answer(tag, { digest: copy, checkedAt: this.#checkedAt(tag) }, 'stale')
    return this.#answer(tag, found, found.digest === copy ? 'validated' : 'miss')
  }

  override async find(tag: Tag): Promise<Digest | undefined> {
    try {
      return await this.get(tag)
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return undefined
      throw error
    }
  }

  override async tag(): Promise<void> {
    throw pushRefused(this.#context)
  }

  override async *all(page: Page = {}): AsyncIterable<Tag> {
    const { upstream, name, log } = this.#context
    if (upstream.settings.lists === 'cached') return yield* super.all(page)
    let names: string[]
    try {
      names = await this.#lists.do(name, () => upstream.tags(name))
    } catch (err) {
      if (!(err instanceof UpstreamError)) throw err
      if (err.code !== 'NOT_FOUND') log.warn({ repository: name, err }, 'only cached tags are listed')
      return yield* super.all(page)
    }
    const { after = '' } = page
    for (const tag of names) if (tag > after && isTag(tag)) yield tag
  }

  override async untag(tag: Tag, options?: UntagOptions): Promise<void> {
    this.#context.memory.tags.delete(this.#key(tag))
    await super.untag(tag, options)
  }

  /** The previous check of the tag, if it is recent enough to be used again. */
  #recent(tag: Tag): TagCheck | undefined {
    const { tagFreshMs, negativeMs } = this.#context.upstream.settings
    const known = this.#context.memory.tags.get(this.#key(tag))
    if (known === undefined) return undefined
    const freshMs = known.digest === undefined ? negativeMs : tagFreshMs
    return performance.now() - known.checkedAt < freshMs ? known : undefined
  }

  #checkedAt(tag: Tag): number | undefined {
    return this.#context.memory.tags.get(this.#key(tag))?.checkedAt
  }

  /** The cached digest of the tag; undefined if there is none. */
  #copy(tag: Tag): Promise<Digest | undefined> {
    return super.find(tag)
  }

  /** Checks a tag that has a cached copy. The caller waits for a limited time; the check continues in the
   *  background. */
  async #checkOrCopy(tag: Tag): Promise<TagCheck | 'stale'> {
    const { breaker, settings } = this.#context.upstream
    const check = this.#check(tag)
    if (breaker.isSlow || breaker.refusal('tag') !== undefined) {
      check.catch(() => undefined)
      return 'stale'
    }
    const { promise: late, resolve } = Promise.withResolvers<'stale'>()
    const timer = setTimeout(() => {
      breaker.wasSlow()
      resolve('stale')
    }, settings.staleAfterMs)
    try {
      return await Promise.race([check, late])
    } catch (err) {
      if (!(err instanceof UpstreamError)) throw err
      this.#context.log.warn(
        { repository: this.#context.name, tag, err },
        'the upstream did not answer; the cached tag is served',
      )
      return 'stale'
    } finally {
      clearTimeout(timer)
    }
  }

  async #checkForClient(tag: Tag): Promise<TagCheck> {
    try {
      return await this.#check(tag)
    } catch (error) {
      throw clientError(error, 'MANIFEST_UNKNOWN', { tag })
    }
  }

  /** Asks the upstream for the tag and updates the cached copy.
   *  @throws UpstreamError */
  #check(tag: Tag): Promise<TagCheck> {
    return this.#checks.do(tag, async () => {
      const digest = await this.#bringUpToDate(tag)
      const check = { digest, checkedAt: performance.now() }
      this.#context.memory.tags.set(this.#key(tag), check)
      return check
    })
  }

  async #bringUpToDate(tag: Tag): Promise<Digest | undefined> {
    try {
      const named = await this.#head(tag)
      if (named !== undefined && named === (await this.#copy(tag))) return named
      const manifest =
        named === undefined
          ? await this.#manifests.fetchTagged(tag)
          : ((await this.#manifests.find(named)) ?? (await this.#manifests.fetch(named)))
      const { digest } = manifest.descriptor
      if (digest !== (await this.#copy(tag))) await this.#setTag(tag, manifest.descriptor)
      return digest
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.code !== 'NOT_FOUND') throw error
      return this.#deletedThere(tag)
    }
  }

  /** The digest by a HEAD; undefined if the upstream refuses HEAD requests or sends no digest.
   *  @throws UpstreamError */
  async #head(tag: Tag): Promise<Digest | undefined> {
    const { upstream, name } = this.#context
    try {
      return (await upstream.headManifest(name, tag)).digest
    } catch (error) {
      const mayGet = error instanceof UpstreamError && (error.code === 'REFUSED' || error.code === 'INVALID')
      if (mayGet) return undefined
      throw error
    }
  }

  async #setTag(tag: Tag, descriptor: Parameters<ForwardingTags['tag']>[1]): Promise<void> {
    const { readOnly, log, name } = this.#context
    if (readOnly) return
    try {
      await super.tag(tag, descriptor)
    } catch (err) {
      log.error({ repository: name, tag, err }, 'a tag of an upstream was not stored')
    }
  }

  /** Keeps or removes the cached tag, as configured, once the upstream has deleted it.
   *  @returns the digest to answer with; undefined if the tag is removed */
  async #deletedThere(tag: Tag): Promise<Digest | undefined> {
    const copy = await this.#copy(tag)
    if (copy === undefined || this.#context.upstream.settings.whenDeleted === 'keep') return copy
    if (!this.#context.readOnly) await super.untag(tag)
    return undefined
  }

  /** @throws RegistryError MANIFEST_UNKNOWN */
  #answer(
    tag: Tag,
    { digest, checkedAt }: { digest: Digest | undefined; checkedAt: number | undefined },
    kind: CacheStatus['kind'],
  ): Digest {
    const { memory, upstream } = this.#context
    if (digest === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { detail: { tag } })
    const now = performance.now()
    const ageSeconds = checkedAt === undefined ? undefined : Math.floor((now - checkedAt) / 1000)
    memory.statuses.set(this.#key(tag), { kind, ageSeconds, at: now })
    if (kind === 'stale') upstream.figures.staleHits++
    return digest
  }

  #key(tag: Tag): string {
    return memoryKey(this.#context.name, tag)
  }
}
