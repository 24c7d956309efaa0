import type { Locks } from '../../core/coordination/locks.ts'
import { TransientSet } from '../../lib/collections/transient.ts'

/** Locks within this process, for a registry without other workers. */
export class ProcessLocks implements Locks {
  readonly #held = new TransientSet<string>()

  async acquire(name: string): Promise<boolean> {
    if (this.#held.has(name)) return false
    this.#held.add(name)
    return true
  }

  async release(name: string): Promise<void> {
    this.#held.delete(name)
  }
}
