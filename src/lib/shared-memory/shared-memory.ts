import { Slab } from './slab.ts'

/** 8 MiB. */
const MAX_SLABS = 32
/** Unused memory is kept for so long after the last use. */
const KEPT_MS = 30_000

/** A limited number of slabs, which are used again. One that is lost, because its parts were dropped instead of given back, is freed by
 *  the garbage collector, and another takes its place. */
export class SharedMemory {
  readonly #maxSlabs: number
  readonly #unused: Slab[] = []
  #count = 0
  readonly #lost = new FinalizationRegistry<undefined>(() => this.#count--)
  #trimming: NodeJS.Timeout | undefined

  constructor({ maxSlabs = MAX_SLABS }: { maxSlabs?: number } = {}) {
    this.#maxSlabs = maxSlabs
  }

  /** A slab that the caller fills and then releases; undefined if there are too many. */
  take(): Slab | undefined {
    const unused = this.#unused.pop()
    if (unused !== undefined) {
      unused.reopen()
      return unused
    }
    if (this.#count === this.#maxSlabs) return undefined
    this.#count++
    const slab = new Slab((slab) => this.#keep(slab))
    this.#lost.register(slab.memory.buffer, undefined, slab)
    return slab
  }

  #keep(slab: Slab): void {
    this.#unused.push(slab)
    if (this.#trimming === undefined) this.#trimming = setTimeout(() => this.#trim(), KEPT_MS).unref()
    else this.#trimming.refresh()
  }

  #trim(): void {
    this.#trimming = undefined
    this.#count -= this.#unused.length
    for (const slab of this.#unused.splice(0)) this.#lost.unregister(slab)
  }
}
