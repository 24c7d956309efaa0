import { availableParallelism } from 'node:os'
import pLimit, { type LimitFunction } from 'p-limit'
import { RegistryError } from '../../core/errors.ts'

const MAX_WAITING = 100

/** Runs bcrypt in other threads, on at most half of the processors, so that transfers continue during
 *  password guessing. Limits the queue. */
export class Bcrypt {
  readonly #inTurn: LimitFunction
  readonly #maxWaiting: number

  constructor({ concurrency = Math.max(1, availableParallelism() >> 1), maxWaiting = MAX_WAITING } = {}) {
    this.#inTurn = pLimit(concurrency)
    this.#maxWaiting = maxWaiting
  }

  /** Verifies a password.
   *  @throws RegistryError TOOMANYREQUESTS if too many wait already */
  verify(password: string, hash: string): Promise<boolean> {
    if (this.#inTurn.pendingCount >= this.#maxWaiting) {
      throw new RegistryError('TOOMANYREQUESTS', { message: 'too many logins at once; try again later' })
    }
    return this.#inTurn(async () => (await import('@node-rs/bcrypt')).default.verify(password, hash))
  }
}

/** bcrypt ignores further bytes of a password. */
export const MAX_PASSWORD_BYTES = 72

export async function hashPassword(password: string, cost: number): Promise<string> {
  return (await import('@node-rs/bcrypt')).default.hash(password, cost)
}
