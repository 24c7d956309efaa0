import { setTimeout as delay } from 'node:timers/promises'
import type { StorageDriver } from '../../src/core/storage-driver.ts'

const ITERATED = new Set<PropertyKey>(['scan', 'list', 'read', 'incompleteUploads'])
const SHORT_TIMER_MS = 3
const SYNCHRONOUS = new Set<PropertyKey>(['peekList'])

/** Lets several actors make one call of the storage at a time, in an order that a test chooses. The storage must answer
 *  without waiting for anything, as the one in memory does. */
export class CallScheduler {
  /** Calls that an actor is about to make. */
  readonly #waiting: (() => void)[][]
  /** How many calls each actor has made. */
  readonly made: number[]

  /** @param actors their number */
  constructor(actors: number) {
    this.#waiting = Array.from({ length: actors }, () => [])
    this.made = Array.from({ length: actors }, () => 0)
  }

  /** The driver through which an actor makes its calls. */
  driverOf(actor: number, driver: StorageDriver): StorageDriver {
    const turn = () => new Promise<void>((resolve) => this.#waiting[actor]?.push(resolve))
    return new Proxy(driver, {
      get(target, name) {
        const found: unknown = Reflect.get(target, name, target)
        if (typeof found !== 'function') return found
        if (SYNCHRONOUS.has(name)) return found.bind(target)
        if (ITERATED.has(name)) {
          return async function* (...parameters: unknown[]) {
            await turn()
            for await (const item of found.apply(target, parameters)) {
              yield item
              await turn()
            }
          }
        }
        return async (...parameters: unknown[]) => {
          await turn()
          return found.apply(target, parameters)
        }
      },
    })
  }

  /** Runs the actors until all are done. The first one makes as many calls as the first of `lengths` says, then the next
   *  one as many as the second, and so on; afterwards each goes on as far as it can. An actor that waits for time to pass
   *  lets the others go on.
   *  @param options.first the actor that begins */
  async run(
    actors: readonly (() => Promise<void>)[],
    { lengths, first = 0 }: { lengths: readonly number[]; first?: number },
  ): Promise<void> {
    const running = new Set(actors.keys())
    const all = Promise.all(actors.map((actor, number) => actor().finally(() => running.delete(number))))
    all.catch(() => undefined) // thrown below
    let current = first
    let left = [...lengths]
    await quiet()
    while (running.size > 0) {
      if (left[0] === 0) {
        left = left.slice(1)
        current = (current + 1) % actors.length
        continue
      }
      // A timer of no time is no reason for others to go on.
      if (running.has(current) && this.#waiting[current]?.length === 0) await delay(SHORT_TIMER_MS)
      const actor = [current, ...running].find((one) => this.#waiting[one]?.length)
      if (actor === undefined) {
        await delay(SHORT_TIMER_MS)
        continue
      }
      if (left[0] !== undefined) left[0]--
      this.made[actor]!++
      this.#waiting[actor]?.shift()?.()
      await quiet()
    }
    await all
  }
}

/** All that follows from a call has happened, up to the next calls. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
}
