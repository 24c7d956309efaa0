/** Why something was not even tried. */
export class CircuitOpenError extends Error {
  override readonly name = 'CircuitOpenError'

  constructor() {
    super('it did not answer a moment ago and is not asked')
  }
}

/** What did not answer in time. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'

  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`)
  }
}

export interface CircuitBreakerOptions {
  /** How long a call may take. The first that takes longer opens the circuit. */
  readonly timeoutMs: number
  readonly probeIntervalMs: number
  /** How long a probe may take while the circuit is closed. */
  readonly probeTimeoutMs: number
  /** Asks something that costs nothing. */
  probe(): Promise<unknown>
  /** The circuit has been opened. */
  onOpen(reason: Error): void
  /** A probe was answered: the circuit has been closed. */
  onClose(): void
}

/** Stands between a service that may be slow or gone and those who must not wait for it. It begins open; a probe that
 *  is answered closes it, and one that is not opens it even when nobody else asks anything. */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  readonly #timer: NodeJS.Timeout
  #isOpen = true
  #isProbing = false
  /** Counts openings: a probe that was sent before one says nothing of what comes after it. */
  #openings = 0

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.probe(), options.probeIntervalMs).unref()
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** @throws CircuitOpenError, NoAnswerError, or what the call fails with */
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

  /** Asks whether it answers. One that is late is waited for: its answer tells that it is back. */
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

  /** Waits for what was asked for, even while the circuit is open. It is opened when the answer is late.
   *  @throws NoAnswerError, or what the answer fails with */
  async inTime<Result>(answer: Promise<Result>, timeoutMs: number): Promise<Result> {
    const late = Promise.withResolvers<never>()
    let isAnswered = false
    // A process that was held up itself has the answer waiting at its door: it is let in before time is called.
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
