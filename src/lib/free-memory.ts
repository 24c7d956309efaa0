/** Gives the memory of a chunk back at once, for the chunk's only owner: it is empty afterwards. V8 counts the memory of a chunk as
 *  external, and would begin one full collection after another for it while a body passes.
 *
 *  Nothing is done to a chunk that is a part of a larger buffer, since the rest may be another's. */
export function freeMemoryOf({ buffer, byteLength }: Uint8Array): void {
  if (byteLength > 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0)
}
