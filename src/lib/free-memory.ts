/** Frees the memory of a chunk at once; its only owner may call this, and the chunk is empty afterwards. V8
 *  counts chunks as external memory, and would otherwise run one full collection after another during a
 *  transfer.
 *
 *  A chunk that is part of a larger buffer is left alone. */
export function freeMemoryOf({ buffer, byteLength }: Uint8Array): void {
  if (byteLength > 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0)
}
