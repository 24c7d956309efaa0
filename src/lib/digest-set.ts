const EMPTY_SLOTS = 1 << 16
/** Above this load, lookups become slower. */
const MAX_LOAD = 0.7

/** A set of hex digests, by their first 64 bits: 12 to 23 bytes each. Digests with equal prefixes are the
 *  same to it, so an absence is certain and a presence almost. */
export class DigestSet {
  #size = 0
  #slots: Uint32Array
  #mask: number
  #hasZero = false

  constructor() {
    this.#slots = new Uint32Array(2 * EMPTY_SLOTS)
    this.#mask = EMPTY_SLOTS - 1
  }

  get size(): number {
    return this.#size
  }

  /** Adds a digest.
   *  @param hex of at least 16 digits
   *  @returns false if it was present */
  add(hex: string): boolean {
    const high = Number.parseInt(hex.slice(0, 8), 16)
    const low = Number.parseInt(hex.slice(8, 16), 16)
    if (!this.#put(high, low)) return false
    this.#size++
    if (this.#size > MAX_LOAD * (this.#mask + 1)) this.#grow()
    return true
  }

  has(hex: string): boolean {
    const high = Number.parseInt(hex.slice(0, 8), 16)
    const low = Number.parseInt(hex.slice(8, 16), 16)
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
    for (let index = low & this.#mask; ; index = (index + 1) & this.#mask) {
      const slot = 2 * index
      const [there, behind] = [slots[slot], slots[slot + 1]]
      if ((there === 0 && behind === 0) || (there === high && behind === low)) return slot
    }
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Uint32Array(2 * old.length)
    this.#mask = this.#slots.length / 2 - 1
    for (let slot = 0; slot < old.length; slot += 2) {
      const [high = 0, low = 0] = [old[slot], old[slot + 1]]
      if (high !== 0 || low !== 0) this.#put(high, low)
    }
  }
}
