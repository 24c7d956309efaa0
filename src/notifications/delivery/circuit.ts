import { type BackoffSettings, backoffOf } from './backoff.ts'

/** Notices that an endpoint fails as a whole, and not only for single events: then one attempt at a time is made, with pauses. One
 *  repository that fails does not open it. */
export class Circuit {
  readonly #settings: BackoffSettings
  #failures = 0
  readonly #failing = new Set<string>()
  #openUntil: number | undefined
  #isProbing = false

  constructor(settings: BackoffSettings) {
    this.#settings = settings
  }

  get isOpen(): boolean {
    return this.#openUntil !== undefined
  }

  /** Milliseconds until an attempt may begin; undefined if the end of another one must be waited for. */
  get waitMs(): number | undefined {
    if (this.#openUntil === undefined) return 0
    return this.#isProbing ? undefined : Math.max(0, this.#openUntil - performance.now())
  }

  begin(): void {
    if (this.isOpen) this.#isProbing = true
  }

  succeeded(): void {
    this.#failures = 0
    this.#failing.clear()
    this.#openUntil = undefined
    this.#isProbing = false
  }

  failed(repository: string): void {
    this.#isProbing = false
    this.#failures++
    if (this.#failing.size < 2) this.#failing.add(repository)
    if (this.#failures < this.#settings.threshold || this.#failing.size < 2) return
    this.#openUntil = performance.now() + backoffOf(this.#failures, this.#settings)
  }
}
