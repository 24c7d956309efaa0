import { setTimeout as delay } from 'node:timers/promises'
import { isUncertain } from '../errors.ts'
import type { AzureSettings } from '../settings.ts'

const MAX_DELAY_MILLISECONDS = 120_000

/** Sends requests that change something on a condition, until it is known what has become of them.
 *
 *  A refusal of the first attempt says that somebody else was first. A refusal after one whose answer was lost says nothing:
 *  that attempt may have come through, and is what the condition met. The SDK, which would send them again by itself, does
 *  not tell the one from the other. So it sends them once (`AzureConnection.once`), and they are sent again here. */
export class Attempts {
  readonly #mostRetries: number
  readonly #retryDelay: number

  constructor({ max_retries, retry_delay }: Pick<AzureSettings, 'max_retries' | 'retry_delay'>) {
    this.#mostRetries = max_retries
    this.#retryDelay = retry_delay
  }

  /** @param look is asked when an answer was lost: what `send` would have returned where an attempt has come through;
   *    undefined where none has, as far as can be seen
   *  @throws what the service refused it with: nothing was done; or why the last answer was lost: that is not known */
  async settle<Result>(
    send: () => Promise<Result>,
    look: () => Promise<Result | undefined>,
  ): Promise<Result> {
    let isAnyLost = false
    for (let tries = 1; ; tries++) {
      let failure: unknown
      try {
        return await send()
      } catch (cause) {
        failure = cause
        isAnyLost ||= isUncertain(cause)
        if (!isAnyLost) throw cause
      }
      try {
        const found = await look()
        if (found !== undefined) return found
      } catch (cause) {
        if (!isUncertain(cause)) throw cause
        failure = cause
      }
      if (!isUncertain(failure) || tries > this.#mostRetries) throw failure
      await this.#wait(tries)
    }
  }

  /** As the SDK does. */
  #wait(tries: number): Promise<void> {
    return delay(Math.min((2 ** (tries - 1) - 1) * this.#retryDelay, MAX_DELAY_MILLISECONDS))
  }
}
