import { algorithmOf, CANONICAL, type Digest, type DigestAlgorithm } from '../core/digest.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { BlobPool } from './blob-pool.ts'
import { keptDigests } from './kept-digests.ts'
import type { UploadPaths } from './paths.ts'
import type { UploadFacts } from './upload-facts.ts'
import { type KnownDigests, RunningDigests, type UploadSessions } from './upload-sessions.ts'

export interface UploadDigestsParts {
  readonly facts: UploadFacts
  readonly paths: UploadPaths
  readonly storage: StorageDriver
  readonly pool: BlobPool
  readonly sessions: UploadSessions
}

/** The digests of an upload's bytes so far: from the live hash, from what was kept beside the bytes, or from the bytes,
 *  whichever is at hand. */
export class UploadDigests {
  readonly #id: string
  readonly #parts: UploadDigestsParts

  constructor(id: string, parts: UploadDigestsParts) {
    this.#id = id
    this.#parts = parts
  }

  /** The live hash that what is written behind `size` bytes goes into; undefined where those are not known. */
  runningFrom(size: number): RunningDigests | undefined {
    return this.#live(size) ?? (size === 0 ? this.#parts.sessions.begin(this.#id, []) : undefined)
  }

  /** At least the canonical one, and that by the algorithm. They may be those of a blob that the bytes have become. */
  async known(algorithm: DigestAlgorithm): Promise<KnownDigests> {
    const { facts, storage, paths } = this.#parts
    const sufficient = (known: KnownDigests) =>
      known.digests.some((digest) => algorithmOf(digest) === algorithm)
    const running = this.#live(facts.size)?.snapshot()
    if (running !== undefined && sufficient(running)) return running
    if (!facts.hasStart) return this.#readAgain(algorithm)
    const kept = await keptDigests(storage, paths)
    if (kept !== undefined && sufficient(kept)) {
      if (kept.size === facts.size || (await this.#wasAdopted(kept))) return kept
    }
    return this.#readAgain(algorithm)
  }

  #live(size: number): RunningDigests | undefined {
    return this.#parts.facts.hasStart ? this.#parts.sessions.running(this.#id, size) : undefined
  }

  /** True when a finish was cut short after the bytes had become a blob: the repetition only has to link it. */
  async #wasAdopted(kept: KnownDigests): Promise<boolean> {
    if (this.#parts.facts.size !== 0) return false
    return (await this.#parts.pool.size(requireAlgorithm(kept, CANONICAL))) === kept.size
  }

  async #readAgain(algorithm: DigestAlgorithm): Promise<KnownDigests> {
    const { facts, storage, paths } = this.#parts
    const running = new RunningDigests([algorithm])
    if (facts.size > 0) {
      for await (const chunk of storage.read(paths.data)) running.update(chunk)
    }
    return running.snapshot()
  }
}

export function requireAlgorithm(known: KnownDigests, algorithm: DigestAlgorithm): Digest {
  const digest = known.digests.find((candidate) => algorithmOf(candidate) === algorithm)
  if (digest === undefined) throw new Error(`no ${algorithm} digest was computed`)
  return digest
}
