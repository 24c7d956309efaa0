/** Rejection of a call while the circuit is open. */
export class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError'

  constructor() {
    super('it did not answer and is not used for now')
  }
}

/** A call or probe that timed out. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'

  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`)
  }
}

export interface CircuitBreakerOptions {
  /** Time limit of a call. The first that exceeds it opens the circuit. */
  readonly timeoutMs: number
  readonly probeIntervalMs: number
  /** Time limit of a probe while the circuit is closed. */
  readonly probeTimeoutMs: number
  /** Sends a cheap command. */
  probe(): Promise<unknown>
  /** Called when the circuit was opened. */
  onOpen(reason: Error): void
  /** Called when a probe was answered and the circuit was closed. */
  onClose(): void
}

/** A circuit breaker before a service that may be slow or gone. Begins open. A successful probe closes it; a
 *  failed one opens it, even without other calls. */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  readonly #timer: NodeJS.Timeout
  #isOpen = true
  #isProbing = false
  /** Number of openings. A probe sent before the last one says nothing about the time after it. */
  #openings = 0

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.probe(), options.probeIntervalMs).unref()
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Runs a call.
   *  @throws CircuitOpenError, NoAnswerError, or the error of the call */
  async call<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#isOpen) throw new CircuitOpenError()
    return this.inTime(work(), this.#options.timeoutMs)
  }

  open(reason: Error): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#openings++
    this.#options.onOpen(reason)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Probes the service. A late answer is still awaited, because it shows that the service is back. */
  async probe(): Promise<void> {
    if (this.#isProbing) return
    this.#isProbing = true
    const { probe, probeTimeoutMs, onClose } = this.#options
    const openings = this.#openings
    try {
      const answer = probe()
      if (!this.#isOpen) await this.inTime(answer, probeTimeoutMs).catch(() => undefined)
      await answer
      if (!this.#isOpen || openings !== this.#openings) return
      this.#isOpen = false
      onClose()
    } catch (error) {
      this.open(error as Error)
    } finally {
      this.#isProbing = false
    }
  }

  /** Awaits an answer, even while the circuit is open. A late answer opens it.
   *  @throws NoAnswerError, or the error of the answer */
  async inTime<Result>(answer: Promise<Result>, timeoutMs: number): Promise<Result> {
    const late = Promise.withResolvers<never>()
    let isAnswered = false
    // If this process itself was delayed, the answer is already received: it is handled before the timeout.
    const timer = setTimeout(
      () => setImmediate(() => isAnswered || late.reject(new NoAnswerError(timeoutMs))),
      timeoutMs,
    )
    late.promise.catch((error) => this.open(error))
    answer.catch(() => undefined) // it may fail after it is too late
    try {
      return await Promise.race([answer, late.promise])
    } finally {
      isAnswered = true
      clearTimeout(timer)
    }
  }
}
