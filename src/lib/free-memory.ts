import { isMarkedAsUntransferable } from 'node:worker_threads'
import { slabOf } from './shared-memory/slab.ts'

/** Arrays of whose memory nobody uses another part. */
const owners = new WeakSet<object>()

/** Frees the memory of an array of numbers at once, such as a chunk of a body; its only owner may call this, and the array is empty
 *  afterwards. V8 counts chunks as external memory, and would otherwise run one full collection after another during a
 *  transfer.
 *
 *  Memory of a slab is given back to it. A part of other memory is left alone, unless it is the only one in use. */
export function freeMemoryOf(part: Pick<Uint8Array, 'buffer' | 'byteLength'>): void {
  const { buffer, byteLength } = part
  if (byteLength === 0) return
  if (!(buffer instanceof ArrayBuffer)) slabOf(part)?.takeBack(part)
  else if (byteLength === buffer.byteLength || owners.has(part)) buffer.transfer(0)
}

/** Says that a part is used by itself from now on: that of a slab which the caller fills, or the only one that is still used of its
 *  memory. Bytes in Node's pool of small buffers are known, and not freed. */
export function passOnMemory(part: Uint8Array): void {
  const slab = slabOf(part)
  if (slab !== undefined) slab.lend(part)
  else if (!isMarkedAsUntransferable(part.buffer)) owners.add(part)
}
