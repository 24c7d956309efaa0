import { Buffer } from 'node:buffer'

/** Room for some reads of a socket. */
export const SLAB_BYTES = 256 * 1024

const slabs = new WeakMap<ArrayBufferLike, Slab>()

/** A piece of memory that other threads see as well. It is filled once from its beginning, lent in parts, and used again
 *  when nobody uses it any more. */
export class Slab {
  readonly memory = Buffer.from(new SharedArrayBuffer(SLAB_BYTES))
  /** End of the bytes that are filled. */
  end = 0
  #users = 1
  /** Those that are lent. */
  readonly #parts = new Set<Uint8Array>()
  readonly #onUnused: (slab: Slab) => void

  /** The caller uses it, as who fills it.
   *  @param onUnused called when the last user has released it */
  constructor(onUnused: (slab: Slab) => void) {
    this.#onUnused = onUnused
    slabs.set(this.memory.buffer, this)
  }

  /** Begins anew, with the caller as the only user. */
  reopen(): void {
    this.end = 0
    this.#users = 1
  }

  /** Adds a user. */
  hold(): void {
    this.#users++
  }

  /** Removes a user. */
  release(): void {
    if (--this.#users === 0) this.#onUnused(this)
  }

  /** Lends a part, which uses the memory until it is given back. */
  lend(part: Uint8Array): void {
    this.#parts.add(part)
    this.#users++
  }

  /** Takes back a part; anything else is ignored. */
  takeBack(part: object): void {
    if (this.#parts.delete(part as Uint8Array)) this.release()
  }
}

/** The slab of which an array is a part; undefined for other memory. */
export function slabOf({ buffer }: Pick<Uint8Array, 'buffer'>): Slab | undefined {
  return slabs.get(buffer)
}
