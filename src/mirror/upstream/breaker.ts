import { UpstreamError } from '../../core/upstream/upstream-error.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'

/** The kinds of requests to an upstream. Rate limits differ by kind: Docker Hub counts manifests only. */
export type RequestKind = 'tag' | 'manifest' | 'blob' | 'list'

const MAX_FAILURES = 3
const FIRST_PAUSE_MS = 2_000
const LONGEST_PAUSE_MS = 60_000
const DEFAULT_RETRY_AFTER_MS = 10_000
const LONGEST_RETRY_AFTER_MS = 3_600_000
const SLOW_MS = 10_000

/** A circuit breaker for one upstream. After repeated failures it rejects requests without sending them, and
 *  lets a single probe through after each pause. Pauses double up to a limit. */
export class Breaker {
  readonly #now: () => number
  #failures = 0
  #pauseMs = FIRST_PAUSE_MS
  #openUntil = 0
  #isProbing = false
  #lastError: UpstreamError | undefined
  #slowUntil = 0
  readonly #throttled = new Map<RequestKind, { until: number; error: UpstreamError }>()

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  get state(): BreakerState {
    if (this.#lastError === undefined) return 'closed'
    return this.#now() < this.#openUntil ? 'open' : 'half-open'
  }

  /** True if the upstream was slow within the last seconds: a caller with a cached answer need not wait. */
  get isSlow(): boolean {
    return this.#now() < this.#slowUntil
  }

  /** The error with which a request of this kind would be rejected now; undefined if it would be sent. */
  refusal(kind: RequestKind): UpstreamError | undefined {
    const throttled = this.#throttled.get(kind)
    if (throttled !== undefined && this.#now() < throttled.until) {
      const { message, status } = throttled.error
      return new UpstreamError('THROTTLED', { message, status, retryAfterMs: throttled.until - this.#now() })
    }
    if (this.#lastError === undefined) return undefined
    return this.state === 'open' || this.#isProbing ? this.#lastError : undefined
  }

  /** Sends a request, unless the breaker is open or the upstream asked for a pause.
   *  @throws UpstreamError */
  async call<Result>(kind: RequestKind, work: () => Promise<Result>): Promise<Result> {
    const refusal = this.refusal(kind)
    if (refusal !== undefined) throw refusal
    const isProbe = this.#lastError !== undefined
    if (isProbe) this.#isProbing = true
    try {
      const result = await work()
      this.#succeeded()
      return result
    } catch (error) {
      if (error instanceof UpstreamError) this.#failed(kind, error)
      throw error
    } finally {
      if (isProbe) this.#isProbing = false
    }
  }

  /** Records that an answer took longer than a client should wait. */
  wasSlow(): void {
    this.#slowUntil = this.#now() + SLOW_MS
  }

  #succeeded(): void {
    this.#failures = 0
    this.#pauseMs = FIRST_PAUSE_MS
    this.#lastError = undefined
  }

  #failed(kind: RequestKind, error: UpstreamError): void {
    if (error.code === 'THROTTLED') {
      const pauseMs = Math.min(error.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS, LONGEST_RETRY_AFTER_MS)
      this.#throttled.set(kind, { until: this.#now() + pauseMs, error })
    }
    const isDown = error.code === 'UNREACHABLE' || error.code === 'TIMEOUT' || error.code === 'FAILED'
    // Any other answer shows that the upstream is up.
    if (!isDown) {
      this.#succeeded()
      return
    }
    this.#failures++
    const wasOpen = this.#lastError !== undefined
    if (!wasOpen && this.#failures < MAX_FAILURES) return
    this.#lastError = error
    this.#openUntil = this.#now() + this.#pauseMs
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS)
  }
}
