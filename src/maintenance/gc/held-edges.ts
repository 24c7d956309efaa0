import { type Digest, hexOf } from '../../core/digest.ts'
import { freeMemoryOf } from '../../lib/free-memory.ts'

/** A record: the digest of a manifest, how many it refers to, and the first 64 bits of the digest of each. */
const DIGEST_BYTES = 32
const HEAD_BYTES = DIGEST_BYTES + 4
export const PREFIX_BYTES = 8

const BLOCK_BYTES = 8 * 1024 ** 2

const EMPTY_SLOTS = 1 << 10
const MAX_LOAD = 0.7
/** Two numbers: that of a block from one on, with a bit if it was asked for, and where in the block the record begins. */
const SLOT = 2
const USED = 2 ** 31

/** A record of what a manifest refers to. */
export function edgeRecord(manifest: Digest, references: readonly Digest[]): Buffer {
  const record = Buffer.allocUnsafe(HEAD_BYTES + PREFIX_BYTES * references.length)
  record.write(hexOf(manifest), 'hex')
  record.writeUInt32BE(references.length, DIGEST_BYTES)
  for (const [index, digest] of references.entries())
    record.write(hexOf(digest).slice(0, 2 * PREFIX_BYTES), HEAD_BYTES + PREFIX_BYTES * index, 'hex')
  return record
}

/** Of a record. */
export function referencesOf(record: Buffer): Buffer {
  return record.subarray(HEAD_BYTES)
}

/** Records, one behind the other in few large blocks, and a table of where each begins. Large blocks give their memory back to the system as
 *  soon as they are not needed; many small ones would not. */
export class HeldEdges {
  readonly #blocks: Buffer[] = []
  #slots = new Uint32Array(SLOT * EMPTY_SLOTS)
  #size = 0
  #usedSize = 0
  #bytes = 0
  /** Of the last block. */
  #free = 0

  /** Of all records. */
  get bytes(): number {
    return this.#bytes
  }

  get manifests(): number {
    return this.#size
  }

  /** How many of them were asked for. */
  get usedManifests(): number {
    return this.#usedSize
  }

  /** @param records copied. Of two about the same manifest the first counts
   *  @param isUsed true if the manifests count as asked for */
  add(records: Buffer, { isUsed = false } = {}): void {
    for (let start = 0; start < records.length; start += lengthAt(records, start)) {
      const slot = this.#find(records, start)
      if (this.#slots[slot] !== 0) continue
      this.#slots[slot + 1] = this.#copy(records, start)
      this.#slots[slot] = this.#blocks.length
      if (isUsed) this.#use(slot)
      if (++this.#size > (MAX_LOAD * this.#slots.length) / SLOT) this.#grow()
    }
  }

  /** What the manifest refers to: the first `PREFIX_BYTES` of each digest, one after the other. It counts as asked for from now on. */
  get(manifest: Digest): Buffer | undefined {
    const slot = this.#find(Buffer.from(hexOf(manifest), 'hex'), 0)
    if (this.#slots[slot] === 0) return undefined
    this.#use(slot)
    const [block, start] = this.#at(slot)
    return referencesOf(block.subarray(start, start + lengthAt(block, start)))
  }

  /** The records of the manifests that were asked for.
   *  @param manifests how many of them are in each buffer */
  *used(manifests: number): Iterable<Buffer> {
    let slots: number[] = []
    for (let slot = 0; slot < this.#slots.length; slot += SLOT) {
      if ((this.#slots[slot] as number) >= USED) slots.push(slot)
      if (slots.length < manifests) continue
      yield this.#joined(slots)
      slots = []
    }
    if (slots.length > 0) yield this.#joined(slots)
  }

  #joined(slots: readonly number[]): Buffer {
    let length = 0
    for (const slot of slots) length += lengthAt(...this.#at(slot))
    const joined = Buffer.allocUnsafe(length)
    let end = 0
    for (const slot of slots) {
      const [block, start] = this.#at(slot)
      end += block.copy(joined, end, start, start + lengthAt(block, start))
    }
    return joined
  }

  /** @returns where the copy begins in the last block */
  #copy(records: Buffer, start: number): number {
    const length = lengthAt(records, start)
    if (length > this.#free) {
      this.#free = Math.max(BLOCK_BYTES, length)
      this.#blocks.push(Buffer.allocUnsafeSlow(this.#free))
    }
    const block = this.#blocks.at(-1) as Buffer
    const at = block.length - this.#free
    this.#free -= records.copy(block, at, start, start + length)
    this.#bytes += length
    return at
  }

  #use(slot: number): void {
    const place = this.#slots[slot] as number
    if (place >= USED) return
    this.#slots[slot] = place + USED
    this.#usedSize++
  }

  #at(slot: number): [Buffer, number] {
    return [
      this.#blocks[((this.#slots[slot] as number) & ~USED) - 1] as Buffer,
      this.#slots[slot + 1] as number,
    ]
  }

  /** The slot of a digest, which begins somewhere in the bytes, or the free one where it would be. */
  #find(bytes: Buffer, start: number): number {
    const slots = this.#slots
    const count = slots.length / SLOT
    for (let index = bytes.readUInt32BE(start) & (count - 1); ; index = (index + 1) & (count - 1)) {
      const slot = SLOT * index
      if (slots[slot] === 0) return slot
      const [block, at] = this.#at(slot)
      if (block.compare(bytes, start, start + DIGEST_BYTES, at, at + DIGEST_BYTES) === 0) return slot
    }
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Uint32Array(2 * old.length)
    for (let from = 0; from < old.length; from += SLOT) {
      const [place = 0, start = 0] = [old[from], old[from + 1]]
      if (place === 0) continue
      const slot = this.#find(this.#blocks[(place & ~USED) - 1] as Buffer, start)
      this.#slots[slot] = place
      this.#slots[slot + 1] = start
    }
    freeMemoryOf(old)
  }
}

function lengthAt(block: Buffer, start: number): number {
  return HEAD_BYTES + PREFIX_BYTES * block.readUInt32BE(start + DIGEST_BYTES)
}
