import { slabOf } from './shared-memory/slab.ts'

/** Memory that is used in parts: the lengths of the parts in use, by their positions. */
const shared = new WeakMap<ArrayBufferLike, Map<number, number>>()

/** Frees the memory of an array of numbers at once, such as a chunk of a body; its only owner may call this, and the array is empty
 *  afterwards. V8 counts chunks as external memory, and would otherwise run one full collection after another during a
 *  transfer.
 *
 *  Memory that is shared is freed with its last part, and that of a slab given back to it. Other parts of a larger buffer are left alone. */
export function freeMemoryOf(part: Pick<Uint8Array, 'buffer' | 'byteOffset' | 'byteLength'>): void {
  const { buffer, byteOffset, byteLength } = part
  if (byteLength === 0) return
  if (!(buffer instanceof ArrayBuffer)) {
    slabOf(part)?.takeBack(part)
    return
  }
  if (byteLength === buffer.byteLength) {
    buffer.transfer(0)
    return
  }
  const parts = shared.get(buffer)
  if (parts?.get(byteOffset) !== byteLength) return
  parts.delete(byteOffset)
  if (parts.size === 0) buffer.transfer(0)
}

/** Says that parts of an array, of which the caller is the only owner, are used by themselves from now on. */
export function shareMemory(whole: Uint8Array, parts: readonly Uint8Array[]): void {
  const { buffer, byteLength } = whole
  const slab = slabOf(whole)
  if (slab !== undefined) {
    slab.lend(parts)
    return
  }
  if (byteLength !== buffer.byteLength || parts.length === 0) return
  if (parts.length === 1 && parts[0]?.byteLength === byteLength) return
  shared.set(buffer, new Map(parts.map((part) => [part.byteOffset, part.byteLength])))
}
