/** Frees the memory of an array of numbers at once, such as a chunk of a body; its only owner may call this, and the array is empty
 *  afterwards. V8 counts chunks as external memory, and would otherwise run one full collection after another during a
 *  transfer.
 *
 *  A part of a larger buffer is left alone. */
export function freeMemoryOf({ buffer, byteLength }: Pick<Uint8Array, 'buffer' | 'byteLength'>): void {
  if (byteLength > 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0)
}
