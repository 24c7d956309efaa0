import { sha256 } from '../../support/oci-image.ts'
import type { Random } from '../../support/random.ts'

const MAX_RECENT = 24
const MIB = 1024 ** 2
/** What a place may be filled with; after that, little is added to it. */
const MAX_LARGE_BYTES = 1500 * MIB

/** Bytes and others of the same length, which somebody wants to be taken for them. */
export interface Target {
  readonly good: Buffer
  readonly evil: Buffer
  readonly digest: string
  /** Where it is attacked. */
  readonly repository: string
}

/** The blobs that are attacked at the moment, for honest clients to push as well. */
export class Targets {
  readonly #largeBytes: number
  readonly #recent: Target[] = []
  #left = MAX_LARGE_BYTES

  /** @param largeBytes a length above which the place keeps uploads in another way */
  constructor(largeBytes: number) {
    this.#largeBytes = largeBytes
  }

  /** Half of them are small, and some are large. */
  make(repository: string, random: Random): Target {
    const length = this.#length(random)
    const [good, evil] = [random.bytes(length), random.bytes(length)]
    const target = { good, evil, digest: sha256(good), repository }
    this.#recent.push(target)
    if (this.#recent.length > MAX_RECENT) this.#recent.shift()
    return target
  }

  /** One of the last; undefined as long as there is none. */
  recent(random: Random): Target | undefined {
    return this.#recent.length === 0 ? undefined : random.pick(this.#recent)
  }

  #length(random: Random): number {
    const small = 2 + random.below(3_000)
    const kind = this.#left > 0 ? random.below(10) : 0
    if (kind < 6) return small
    const length = kind < 9 ? 1 + random.below(MIB) + small : this.#largeBytes + random.below(MIB)
    this.#left -= 3 * length
    return length
  }
}
