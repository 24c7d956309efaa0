import { setTimeout as delay } from 'node:timers/promises'
import { isUncertain } from '../errors.ts'
import type { AzureSettings } from '../settings.ts'

const MAX_DELAY_MILLISECONDS = 120_000

/** Sends conditional requests until their outcome is known.
 *
 *  A failed condition of the first attempt means that another writer was first. After an attempt whose answer
 *  was lost it means nothing: that attempt may have succeeded and changed the blob. The SDK's retries do not
 *  distinguish the two, so requests are sent without them (`AzureConnection.once`) and retried here. */
export class Attempts {
  readonly #mostRetries: number
  readonly #retryDelay: number

  constructor({ max_retries, retry_delay }: Pick<AzureSettings, 'max_retries' | 'retry_delay'>) {
    this.#mostRetries = max_retries
    this.#retryDelay = retry_delay
  }

  /** Sends a request until its outcome is known.
   *  @param look called if an answer was lost; returns the result of `send` if an attempt has succeeded,
   *    otherwise undefined
   *  @throws the service's error, if the request was not carried out; the last network error, if that is
   *    unknown */
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

  /** The same delays as the SDK's. */
  #wait(tries: number): Promise<void> {
    return delay(Math.min((2 ** (tries - 1) - 1) * this.#retryDelay, MAX_DELAY_MILLISECONDS))
  }
}
