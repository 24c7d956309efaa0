import { freeMemoryOf } from '../free-memory.ts'

/** A power of two. */
const SHARDS = 64
const EMPTY_SLOTS = 512
/** Above this load, lookups become slower. */
const MAX_LOAD = 0.8
const GROWTH = 1.25

/** A set of hex digests, by their first 64 bits: 10 to 13 bytes each. Digests with equal prefixes are the same to it, so an
 *  absence is certain and a presence almost. */
export class DigestSet {
  readonly #shards = Array.from({ length: SHARDS }, () => new Shard())
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adds a digest.
   *  @param hex of at least 16 digits
   *  @returns false if it was present */
  add(hex: string): boolean {
    return this.addPrefix(Number.parseInt(hex.slice(0, 8), 16), Number.parseInt(hex.slice(8, 16), 16))
  }

  /** The same.
   *  @param high the first 32 bits of the digest
   *  @param low the 32 bits behind them */
  addPrefix(high: number, low: number): boolean {
    const isNew = this.#shardOf(high).add(high, low)
    if (isNew) this.#size++
    return isNew
  }

  has(hex: string): boolean {
    const high = Number.parseInt(hex.slice(0, 8), 16)
    return this.#shardOf(high).has(high, Number.parseInt(hex.slice(8, 16), 16))
  }

  #shardOf(high: number): Shard {
    return this.#shards[high & (SHARDS - 1)] as Shard
  }
}

/** A hash table with linear probing. That it is one of many keeps what growing takes for a moment small. */
class Shard {
  #size = 0
  #capacity = EMPTY_SLOTS
  #slots = new Uint32Array(2 * EMPTY_SLOTS)
  #hasZero = false

  add(high: number, low: number): boolean {
    if (!this.#put(high, low)) return false
    this.#size++
    if (this.#size > MAX_LOAD * this.#capacity) this.#grow()
    return true
  }

  has(high: number, low: number): boolean {
    if (high === 0 && low === 0) return this.#hasZero
    const slot = this.#find(high, low)
    return this.#slots[slot] === high && this.#slots[slot + 1] === low
  }

  #put(high: number, low: number): boolean {
    if (high === 0 && low === 0) {
      const isNew = !this.#hasZero
      this.#hasZero = true
      return isNew
    }
    const slot = this.#find(high, low)
    if (this.#slots[slot] === high && this.#slots[slot + 1] === low) return false
    this.#slots[slot] = high
    this.#slots[slot + 1] = low
    return true
  }

  /** The slot of a digest, or the free one (zeros) where it would be. */
  #find(high: number, low: number): number {
    const slots = this.#slots
    for (let slot = 2 * Math.floor((low / 2 ** 32) * this.#capacity); ; ) {
      const [there, behind] = [slots[slot], slots[slot + 1]]
      if ((there === 0 && behind === 0) || (there === high && behind === low)) return slot
      slot = slot + 2 === slots.length ? 0 : slot + 2
    }
  }

  #grow(): void {
    const old = this.#slots
    this.#capacity = Math.ceil(GROWTH * this.#capacity)
    this.#slots = new Uint32Array(2 * this.#capacity)
    for (let slot = 0; slot < old.length; slot += 2) {
      const [high = 0, low = 0] = [old[slot], old[slot + 1]]
      if (high !== 0 || low !== 0) this.#put(high, low)
    }
    freeMemoryOf(old)
  }
}
