import { SharedState } from '../../core/coordination/shared-state.ts'
import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { Registry } from '../../core/registry.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { AccessLog, type LastUses, MIRROR_FILES } from './access-log.ts'
import { type Holding, holdingsOf } from './holdings.ts'
import type { Usage } from './usage.ts'

export interface EvictorParts {
  /** The stored registry, without the mirrors in front of it. */
  readonly registry: Registry
  readonly storage: StorageDriver
  readonly upstreams: readonly Upstream[]
  readonly usage: Usage
  readonly log: Log
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** Shares of the size limit: eviction starts above the first and ends below the second. */
const FULL = 0.9
const ROOMY = 0.8

/** Evicts cached content by age and by size, least recently used first. It removes links only; the garbage
 *  collector removes the bytes. */
export class Evictor {
  readonly #parts: EvictorParts
  readonly #access: AccessLog
  readonly #turn: SharedState<{ turn: number }>
  #seen: FileVersion | undefined

  constructor(parts: EvictorParts) {
    const { storage, usage } = parts
    this.#parts = parts
    this.#access = new AccessLog(storage, usage)
    const parse = (found: unknown) => ({ turn: Number(Object(found).turn) || 0 })
    this.#turn = new SharedState({ storage, path: `${MIRROR_FILES}/evictor`, parse })
  }

  /** Stores what this process has used since the previous note. */
  writeNote(): Promise<void> {
    return this.#access.writeNote()
  }

  /** Evicts, unless another process has done so since this one's previous attempt. */
  async evictInTurn(signal?: AbortSignal): Promise<void> {
    await this.writeNote()
    const held = await this.#turn.get()
    const wasOther = held !== undefined && this.#seen !== undefined && held.version !== this.#seen
    this.#seen = held?.version
    if (wasOther) return
    const taken = await this.#turn.swap({ turn: (held?.state.turn ?? 0) + 1 }, held?.version)
    if (taken === undefined) return
    this.#seen = taken
    await this.evict(signal)
  }

  /** @returns how many manifests and blobs were removed from repositories */
  async evict(signal?: AbortSignal): Promise<number> {
    const { upstreams, now = Date.now } = this.#parts
    const { uses, notes } = await this.#access.read()
    const kept: LastUses = new Map()
    let evicted = 0
    for (const upstream of upstreams) {
      const holdings = await this.#holdings(upstream, signal)
      for (const holding of holdings) kept.set(keyOf(holding), lastUse(holding, uses) ?? now())
      const condemned = condemn(holdings, { settings: upstream.settings, uses: kept, now: now() })
      const rest = holdings.filter((holding) => !condemned.has(holding))
      for (const holding of condemned) {
        if (signal?.aborted) return evicted
        evicted += await this.#remove(holding, rest)
        kept.delete(keyOf(holding))
        upstream.figures.evictedManifests += holding.manifests.length
      }
      upstream.figures.bytes = sizeOf(rest)
    }
    await this.#access.settle(kept, notes)
    return evicted
  }

  async #holdings(upstream: Upstream, signal: AbortSignal | undefined): Promise<Holding[]> {
    const { registry, upstreams } = this.#parts
    const holdings: Holding[] = []
    for await (const name of registry.repositories()) {
      signal?.throwIfAborted()
      if (upstreams.find((one) => one.owns(name)) !== upstream) continue
      holdings.push(...(await holdingsOf(registry.repository(name))))
    }
    return holdings
  }

  /** Removes the manifests and blobs of a holding that no other holding of the repository needs.
   *  @returns how many were removed */
  async #remove(holding: Holding, rest: readonly Holding[]): Promise<number> {
    const { registry, log } = this.#parts
    const { repository, root } = holding
    const others = rest.filter((other) => other.repository === repository)
    const isNeeded = (digest: Digest) =>
      others.some(({ manifests, blobs }) => manifests.includes(digest) || blobs.has(digest))
    const { manifests, blobs } = registry.repository(repository)
    let removed = 0
    for (const digest of holding.manifests)
      if (!isNeeded(digest)) removed += await isGone(manifests.delete(digest))
    for (const digest of holding.blobs.keys())
      if (!isNeeded(digest)) removed += await isGone(blobs.delete(digest))
    log.info({ repository, digest: root, removed }, 'a mirror evicted content')
    return removed
  }
}

/** 1 once the content is removed, 0 if another process had removed it. */
async function isGone(deletion: Promise<unknown>): Promise<number> {
  try {
    await deletion
    return 1
  } catch (error) {
    if (error instanceof RegistryError && /^(?:MANIFEST|BLOB)_UNKNOWN$/.test(error.code)) return 0
    throw error
  }
}

interface Rule {
  readonly settings: { readonly ttlMs: number; readonly maxBytes: number }
  readonly uses: LastUses
  readonly now: number
}

/** Selects expired holdings and then, while the size limit is exceeded, the least recently used ones. */
function condemn(holdings: readonly Holding[], { settings, uses, now }: Rule): Set<Holding> {
  const { ttlMs, maxBytes } = settings
  const usedAt = (holding: Holding) => uses.get(keyOf(holding)) ?? now
  const condemned = new Set(holdings.filter((holding) => ttlMs > 0 && now - usedAt(holding) > ttlMs))
  const rest = holdings.filter((holding) => !condemned.has(holding)).sort((a, b) => usedAt(a) - usedAt(b))
  const counts = new Map<Digest, { size: number; count: number }>()
  for (const { blobs } of rest)
    for (const [digest, size] of blobs) {
      const entry = counts.get(digest) ?? { size, count: 0 }
      entry.count++
      counts.set(digest, entry)
    }
  let bytes = [...counts.values()].reduce((sum, { size }) => sum + size, 0)
  if (maxBytes === 0 || bytes <= maxBytes * FULL) return condemned
  for (const holding of rest) {
    if (bytes <= maxBytes * ROOMY) break
    condemned.add(holding)
    for (const digest of holding.blobs.keys()) {
      const entry = counts.get(digest)
      if (entry !== undefined && --entry.count === 0) bytes -= entry.size
    }
  }
  return condemned
}

function sizeOf(holdings: readonly Holding[]): number {
  const sizes = new Map(holdings.flatMap(({ blobs }) => [...blobs]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

function lastUse({ repository, root, manifests }: Holding, uses: LastUses): number | undefined {
  const known = [root, ...manifests].flatMap((digest) => uses.get(`${repository}@${digest}`) ?? [])
  return known.length === 0 ? undefined : Math.max(...known)
}

function keyOf({ repository, root }: Holding): string {
  return `${repository}@${root}`
}
