import type { Locks } from '../core/coordination/locks.ts'
import type { Invalidation } from '../core/coordination/peers.ts'
import { LockTable } from './lock-table.ts'
import type { Question, ToWorker } from './messages.ts'

/** A worker as the hub sees it. */
export interface Member {
  readonly id: number
  send(message: ToWorker): void
  /** Ends a worker that has not acknowledged in time. */
  terminate(): void
}

interface Connected extends Member {
  /** Invalidations that it has not acknowledged. */
  readonly pending: Map<number, () => void>
}

/** Time limit for applying an invalidation, which takes microseconds. */
const PATIENCE_MS = 5_000

/** The owner of the supervisor's own locks. */
const SUPERVISOR = 0

/** Connects the workers: an invalidation of one worker reaches all others before that worker goes on, and a
 *  lock has one holder among all of them. Workers that have left are ignored. */
export class WorkerHub {
  readonly #members = new Map<number, Connected>()
  readonly #locks = new LockTable()
  #lastInvalidation = 0

  join(member: Member): void {
    this.#members.set(member.id, { ...member, pending: new Map() })
  }

  /** Called after its process has ended: its locks are released, and its acknowledgements no longer
   *  awaited. */
  leave(id: number): void {
    const pending = this.#members.get(id)?.pending ?? new Map<number, () => void>()
    this.#members.delete(id)
    this.#locks.releaseAllOf(id)
    for (const settle of pending.values()) settle()
  }

  async ask(from: number, { id, question }: { id: number; question: Question }): Promise<void> {
    if (!this.#members.has(from)) return
    const answer = await this.#answer(from, question)
    this.#members.get(from)?.send({ kind: 'answer', id, answer })
  }

  acknowledge(from: number, id: number): void {
    this.#members.get(from)?.pending.get(id)?.()
  }

  /** The locks, for the supervisor's own work. */
  get locks(): Locks {
    return {
      acquire: async (name) => this.#locks.acquire(name, SUPERVISOR),
      release: async (name) => this.#locks.release(name, SUPERVISOR),
    }
  }

  async #answer(from: number, question: Question): Promise<boolean> {
    switch (question.kind) {
      case 'acquire':
        return this.#locks.acquire(question.name, from)
      case 'release':
        this.#locks.release(question.name, from)
        return true
      case 'publish':
        await this.#publishToOthers(from, question.invalidation)
        return true
    }
  }

  async #publishToOthers(from: number, invalidation: Invalidation): Promise<void> {
    const others = [...this.#members.values()].filter(({ id }) => id !== from)
    await Promise.all(others.map((member) => this.#publish(member, invalidation)))
  }

  #publish(member: Connected, invalidation: Invalidation): Promise<void> {
    this.#lastInvalidation += 1
    const id = this.#lastInvalidation
    return new Promise((resolve) => {
      const patience = setTimeout(() => member.terminate(), PATIENCE_MS)
      member.pending.set(id, () => {
        clearTimeout(patience)
        member.pending.delete(id)
        resolve()
      })
      member.send({ kind: 'invalidation', id, invalidation })
    })
  }
}
