import type { Locks } from '../../core/coordination/locks.ts'

/** Locks within this process, for a registry without other workers. */
export class ProcessLocks implements Locks {
  readonly #held = new Set<string>()

  async acquire(name: string): Promise<boolean> {
    if (this.#held.has(name)) return false
    this.#held.add(name)
    return true
  }

  async release(name: string): Promise<void> {
    this.#held.delete(name)
  }
}
