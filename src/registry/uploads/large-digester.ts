import { type Digest, Digester } from '../../core/digest.ts'
import { freeMemoryOf } from '../../lib/free-memory.ts'
import type { Ingest } from '../../lib/ingest/ingest.ts'
import type { ThreadedHash } from '../../lib/ingest/threaded-hash.ts'
import { type Slab, slabOf } from '../../lib/shared-memory/slab.ts'

/** Fewer bytes are hashed where they are. At least what may arrive before memory is chosen for the rest. */
const MAX_HEAD_BYTES = 256 * 1024

/** The canonical digest of an upload. Large ones are hashed in a thread, if their bytes arrive in memory that it sees. */
export class LargeDigester {
  readonly #ingest: Ingest
  /** The first bytes, while it is open who hashes them. */
  #head: { bytes: Uint8Array; slab: Slab | undefined }[] = []
  #headBytes = 0
  #threaded: ThreadedHash | undefined
  #local: Digester | undefined

  constructor(ingest: Ingest) {
    this.#ingest = ingest
  }

  /** @returns a promise if the caller must wait before it adds more */
  update(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#local !== undefined) this.#local.update(chunk)
    else if (this.#threaded !== undefined) return this.#threaded.update(chunk)
    else if (this.#headBytes + chunk.length <= MAX_HEAD_BYTES) this.#keep(chunk)
    else {
      const hash = (slabOf(chunk) && this.#begin()) ?? this.#beginHere()
      return hash.update(chunk) ?? undefined
    }
    return undefined
  }

  /** The digest of the bytes so far; more may follow. Undefined if it is lost. */
  async digest(): Promise<Digest | undefined> {
    if (this.#threaded === undefined) return (this.#local ?? this.#beginHere()).digest()
    const hex = await this.#threaded.digest()
    return hex === undefined ? undefined : (`sha256:${hex}` as Digest)
  }

  /** Gives it up. */
  end(): void {
    this.#threaded?.end()
    this.#release()
  }

  #keep(chunk: Uint8Array): void {
    const slab = slabOf(chunk)
    slab?.hold()
    this.#head.push({ bytes: slab === undefined ? Uint8Array.from(chunk) : chunk, slab })
    this.#headBytes += chunk.length
  }

  #begin(): ThreadedHash | undefined {
    this.#threaded = this.#ingest.beginHash()
    if (this.#threaded !== undefined) this.#pass(this.#threaded)
    return this.#threaded
  }

  #beginHere(): Digester {
    this.#local = new Digester()
    this.#pass(this.#local)
    return this.#local
  }

  #pass(hash: { update(bytes: Uint8Array): unknown }): void {
    for (const { bytes } of this.#head) hash.update(bytes)
    this.#release()
  }

  #release(): void {
    for (const { bytes, slab } of this.#head.splice(0)) {
      if (slab === undefined) freeMemoryOf(bytes)
      else slab.release()
    }
  }
}
