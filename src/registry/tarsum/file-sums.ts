import { hash } from 'node:crypto'
import { TarError } from '../../lib/tar/header.ts'

const SUM_BYTES = 32
/** Of a name's hash: enough to tell names apart that somebody has chosen. */
const NAME_BYTES = 16
const RECORD_BYTES = SUM_BYTES + NAME_BYTES
const FIRST_RECORDS = 256

/** Up to that many, Go 1.4 sorted by insertion. */
const MAX_INSERTED = 7

/** The sums of an archive's entries. The TarSum is the hash of all of them in order: that of the sums but, among
 *  entries of one name, that of the archive. */
export class FileSums {
  #records = Buffer.allocUnsafe(FIRST_RECORDS * RECORD_BYTES)
  #count = 0

  /** @param name a byte string
   *  @param sum of 32 bytes */
  add(name: string, sum: Uint8Array): void {
    const at = this.#count * RECORD_BYTES
    if (at === this.#records.length) this.#records = Buffer.concat([this.#records], 2 * this.#records.length)
    this.#records.set(sum, at)
    const nameHash = hash('sha256', Buffer.from(plainName(name), 'latin1'), 'buffer')
    this.#records.set(nameHash.subarray(0, NAME_BYTES), at + SUM_BYTES)
    this.#count++
  }

  /** The hash of all sums, in hex.
   *  @throws TarError if the order is not determined */
  digest(): string {
    const order = this.#bySum()
    const sorted = this.#agreesWithNames(order) ? order : this.#inserted()
    const sums = Buffer.allocUnsafe(this.#count * SUM_BYTES)
    for (const [place, index] of sorted.entries()) sums.set(this.#sum(index), place * SUM_BYTES)
    return hash('sha256', sums.toString('hex'), 'hex')
  }

  /** Indexes in order of the sums; equal ones in that of the archive. */
  #bySum(): Uint32Array {
    const keys = new Float64Array(this.#count)
    for (const index of keys.keys()) keys[index] = this.#records.readUIntBE(index * RECORD_BYTES, 6)
    const order = Uint32Array.from(keys.keys())
    return order.sort(
      (one, other) =>
        (keys[one] as number) - (keys[other] as number) ||
        Buffer.compare(this.#sum(one), this.#sum(other)) ||
        one - other,
    )
  }

  /** True if entries of one name have the order of the archive. */
  #agreesWithNames(order: Uint32Array): boolean {
    const last = new Map<string, number>()
    for (const index of order) {
      const name = this.#name(index)
      const former = last.get(name)
      if (former !== undefined && former > index) return false
      last.set(name, index)
    }
    return true
  }

  /** Docker's order is no order if it contradicts itself: what comes out depends on how it is sorted. */
  #inserted(): Uint32Array {
    if (this.#count > MAX_INSERTED)
      throw new TarError('has several entries of one name, in an order for which there is no TarSum')
    const order = Uint32Array.from({ length: this.#count }, (_, index) => index)
    for (let end = 1; end < order.length; end++) {
      for (let at = end; at > 0; at--) {
        const [before, here] = order.subarray(at - 1, at + 1) as unknown as [number, number]
        if (!this.#isLess(here, before)) break
        order.set([here, before], at - 1)
      }
    }
    return order
  }

  #isLess(one: number, other: number): boolean {
    if (this.#name(one) === this.#name(other)) return one < other
    return Buffer.compare(this.#sum(one), this.#sum(other)) < 0
  }

  #sum(index: number): Buffer {
    return this.#records.subarray(index * RECORD_BYTES, index * RECORD_BYTES + SUM_BYTES)
  }

  #name(index: number): string {
    const at = index * RECORD_BYTES + SUM_BYTES
    return this.#records.toString('latin1', at, at + NAME_BYTES)
  }
}

function plainName(name: string): string {
  return name.replace(/^\.\//, '').replace(/\/$/, '')
}
