import type { Socket } from 'node:net'
import { TransientSet } from '../../lib/collections/transient.ts'

export interface StallDetectorOptions {
  /** Minimum average throughput. */
  bytesPerSecond: number
  /** Time for which a transfer may be slower. */
  graceSeconds: number
}

/** Closes connections whose client stalls while the registry waits for it. Transfers have no total time
 *  limit, but must progress. Time spent by the registry is not counted. */
export class StallDetector {
  readonly #options: StallDetectorOptions
  readonly #waiting = new TransientSet<ClientWait>()
  readonly #timer: NodeJS.Timeout

  constructor(options: StallDetectorOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#endStalled(), (options.graceSeconds * 1000) / 4)
    this.#timer.unref()
  }

  /** Watches one direction of one request. */
  watch(socket: Socket): ClientWait {
    return new ClientWait(socket, this.#waiting, this.#options)
  }

  /** For a socket without traffic for the grace time: closes it if the registry waits for its client. */
  endIfWaiting(socket: Socket): void {
    for (const wait of this.#waiting) if (wait.socket === socket) socket.destroy()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #endStalled(): void {
    const now = performance.now()
    for (const wait of this.#waiting) if (wait.isOverdue(now)) wait.socket.destroy()
  }
}

/** The remaining time of one transfer. Its bytes extend it, up to the grace time. */
export class ClientWait {
  readonly socket: Socket
  readonly #waiting: TransientSet<ClientWait>
  readonly #bytesPerMs: number
  readonly #graceMs: number
  #leftMs: number
  #since = 0

  constructor(
    socket: Socket,
    waiting: TransientSet<ClientWait>,
    { bytesPerSecond, graceSeconds }: StallDetectorOptions,
  ) {
    this.socket = socket
    this.#waiting = waiting
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#graceMs = graceSeconds * 1000
    this.#leftMs = this.#graceMs
  }

  /** The registry begins to wait: for bytes to arrive, or for `pendingBytes` to be sent. */
  begin(pendingBytes = 0): void {
    this.#leftMs += pendingBytes / this.#bytesPerMs
    this.#since = performance.now()
    this.#waiting.add(this)
  }

  /** The wait has ended with `bytes` received. */
  end(bytes = 0): void {
    this.#waiting.delete(this)
    const left = this.#leftMs - (performance.now() - this.#since) + bytes / this.#bytesPerMs
    this.#leftMs = Math.min(left, this.#graceMs)
  }

  isOverdue(now: number): boolean {
    return now - this.#since > this.#leftMs
  }
}
