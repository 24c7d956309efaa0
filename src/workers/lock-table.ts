/** Locks by name, and the worker that holds each. */
export class LockTable {
  readonly #owners = new Map<string, number>()

  acquire(name: string, owner: number): boolean {
    if (this.#owners.has(name)) return false
    this.#owners.set(name, owner)
    return true
  }

  release(name: string, owner: number): void {
    if (this.#owners.get(name) === owner) this.#owners.delete(name)
  }

  /** Releases all locks of a worker. */
  releaseAllOf(owner: number): void {
    for (const [name, holder] of this.#owners) if (holder === owner) this.#owners.delete(name)
  }
}
