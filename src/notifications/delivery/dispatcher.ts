import { setTimeout as delay } from 'node:timers/promises'
import { OutboxTenure } from '../outbox/tenure.ts'
import { DISPATCHER_TIMING, type DispatcherParts, type DispatcherTiming } from './dispatcher-parts.ts'
import { Tenancy } from './tenancy.ts'

const RESTART_MS = 1_000

/** Delivers the events of all processes that share the storage, or waits until it is its turn. */
export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #timing: DispatcherTiming
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  #tenancy: Tenancy | undefined

  constructor(parts: DispatcherParts) {
    this.#parts = parts
    this.#timing = parts.timing ?? DISPATCHER_TIMING
    this.#running = this.#run()
  }

  /** True while it is this process that delivers. */
  get isDelivering(): boolean {
    return this.#tenancy !== undefined
  }

  /** Something was announced here. */
  wake(): void {
    this.#tenancy?.wake()
  }

  /** What is not delivered stays in the outbox. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#tenancy?.wake()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let isReported = false
    while (!signal.aborted) {
      try {
        await this.#deliver(signal)
        isReported = false
      } catch (err) {
        if (signal.aborted) return
        if (!isReported) this.#parts.log.error({ err }, 'the delivery of events is interrupted')
        isReported = true
        await delay(RESTART_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  /** As long as it is this process that delivers. */
  async #deliver(signal: AbortSignal): Promise<void> {
    const { storage, log } = this.#parts
    const tenure = await OutboxTenure.begin(storage, { timing: this.#timing.tenure, signal })
    log.info({ epoch: tenure.state.epoch }, 'this process delivers the events')
    const tenancy = new Tenancy(tenure, { ...this.#parts, timing: this.#timing })
    this.#tenancy = tenancy
    try {
      await tenancy.run(signal)
    } finally {
      this.#tenancy = undefined
      await tenancy.close()
    }
  }
}
