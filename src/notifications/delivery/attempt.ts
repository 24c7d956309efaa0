import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'

export interface AttemptLimits {
  /** How long the answer may take, in milliseconds, from the call on: waiting for a connection counts. */
  readonly timeoutMs: number
  /** Breaks it off. */
  readonly signal: AbortSignal
}

/** What is read of an answer, whose text nobody looks at, in bytes. */
const MAX_ANSWER_BYTES = 64 * 1024

/** Sends one request and waits for the end of the answer. Costs less than `Dispatcher.request`: no stream and no signal of its own.
 *  @returns the status
 *  @throws AttemptTimeout; the signal's reason; whatever the connection fails with before there is a status */
export function attempt(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  limits: AttemptLimits,
): Promise<number> {
  if (limits.signal.aborted) return Promise.reject(limits.signal.reason)
  return new Promise((resolve, reject) => {
    const handler = new AttemptHandler({ resolve, reject }, limits)
    try {
      dispatcher.dispatch(options, handler)
    } catch (error) {
      handler.onResponseError(undefined, error as Error)
    }
  })
}

/** An answer took too long. */
export class AttemptTimeout extends Error {
  override readonly name = 'TimeoutError'
}

interface Outcome {
  resolve(status: number): void
  reject(reason: unknown): void
}

class AttemptHandler implements Dispatcher.DispatchHandler {
  readonly #outcome: Outcome
  readonly #signal: AbortSignal
  readonly #timer: NodeJS.Timeout
  readonly #onAbort: () => void
  #controller: Dispatcher.DispatchController | undefined
  #status: number | undefined
  #received = 0
  /** Why the attempt was broken off, as an error. */
  #broken: Error | undefined
  #isSettled = false

  constructor(outcome: Outcome, { timeoutMs, signal }: AttemptLimits) {
    this.#outcome = outcome
    this.#signal = signal
    this.#timer = setTimeout(() => this.#breakOff(new AttemptTimeout('the answer took too long')), timeoutMs)
    this.#onAbort = () => this.#breakOff(signal.reason)
    signal.addEventListener('abort', this.#onAbort)
  }

  /** Before the request is sent, once there is a connection. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#broken !== undefined) controller.abort(this.#broken)
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    _headers: IncomingHttpHeaders,
    _message?: string,
  ): void {
    if (status >= 200) this.#status = status
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#received += chunk.byteLength
    if (this.#received > MAX_ANSWER_BYTES) this.#breakOff(new Error('the answer is too long'))
  }

  onResponseEnd(): void {
    this.#settle(undefined)
  }

  onResponseError(_: unknown, error: Error): void {
    this.#settle(error)
  }

  #breakOff(reason: Error): void {
    if (this.#isSettled) return
    this.#broken = reason
    this.#settle(reason)
    this.#controller?.abort(reason)
  }

  /** What goes wrong once the status is known changes nothing. */
  #settle(error: unknown): void {
    if (this.#isSettled) return
    this.#isSettled = true
    clearTimeout(this.#timer)
    this.#signal.removeEventListener('abort', this.#onAbort)
    if (this.#status === undefined) this.#outcome.reject(error)
    else this.#outcome.resolve(this.#status)
  }
}
