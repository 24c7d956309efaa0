import type { Locks } from '../core/locks.ts'
import type { News } from '../core/peers.ts'
import type { Question, ToWorker } from './messages.ts'
import { OwnedLocks } from './owned-locks.ts'

/** A worker as the switchboard sees it. */
export interface Member {
  readonly id: number
  send(message: ToWorker): void
  /** Called when it has not acted in time: it must leave. */
  giveUp(): void
}

interface Connected extends Member {
  /** What it has been told and not acted upon. */
  readonly pending: Map<number, () => void>
}

/** How long a worker may take to act upon what it is told. What it does then takes microseconds. */
const PATIENCE_MS = 5_000

/** The owner of what the supervisor itself has locked. */
const SUPERVISOR = 0

/** Joins the workers: news from one reach all others before the one goes on, and a lock has one holder among all of
 *  them. Nobody is waited for who has left, and what comes from one who has left is not listened to. */
export class Switchboard {
  readonly #members = new Map<number, Connected>()
  readonly #locks = new OwnedLocks()
  #lastNews = 0

  join(member: Member): void {
    this.#members.set(member.id, { ...member, pending: new Map() })
  }

  /** Called when its process is no more: it holds nothing then, and shows nothing. */
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

  acted(from: number, id: number): void {
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
      case 'tell':
        await this.#tellOthers(from, question.news)
        return true
    }
  }

  async #tellOthers(from: number, news: News): Promise<void> {
    const others = [...this.#members.values()].filter(({ id }) => id !== from)
    await Promise.all(others.map((member) => this.#tell(member, news)))
  }

  #tell(member: Connected, news: News): Promise<void> {
    this.#lastNews += 1
    const id = this.#lastNews
    return new Promise((resolve) => {
      const patience = setTimeout(() => member.giveUp(), PATIENCE_MS)
      member.pending.set(id, () => {
        clearTimeout(patience)
        member.pending.delete(id)
        resolve()
      })
      member.send({ kind: 'news', id, news })
    })
  }
}
