import type { Socket } from 'node:net'

export interface ProgressFloorOptions {
  /** The slowest average that is tolerated. */
  bytesPerSecond: number
  /** How long a transfer may be slower before it is ended. */
  graceSeconds: number
}

/** Ends connections whose client stalls while the registry waits for it: no time limit on a transfer as a whole, but
 *  it must move. Time that the registry itself takes is not counted. */
export class StallDetector {
  readonly #options: ProgressFloorOptions
  readonly #waiting = new Set<ClientWait>()
  readonly #timer: NodeJS.Timeout

  constructor(options: ProgressFloorOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#endStalled(), (options.graceSeconds * 1000) / 4)
    this.#timer.unref()
  }

  /** Follows one direction of one exchange. */
  watch(socket: Socket): ClientWait {
    return new ClientWait(socket, this.#waiting, this.#options)
  }

  /** For a socket on which nothing at all has moved for the grace: ends it if a client is what is waited for. */
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

/** How long one transfer may still keep the registry waiting. Its bytes earn it time; a client that was fast keeps no
 *  more of it than the grace. */
export class ClientWait {
  readonly socket: Socket
  readonly #waiting: Set<ClientWait>
  readonly #bytesPerMs: number
  readonly #graceMs: number
  #leftMs: number
  #since = 0

  constructor(
    socket: Socket,
    waiting: Set<ClientWait>,
    { bytesPerSecond, graceSeconds }: ProgressFloorOptions,
  ) {
    this.socket = socket
    this.#waiting = waiting
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#graceMs = graceSeconds * 1000
    this.#leftMs = this.#graceMs
  }

  /** The registry begins to wait: for bytes to come, or for `pendingBytes` that it has handed over to be taken. */
  begin(pendingBytes = 0): void {
    this.#leftMs += pendingBytes / this.#bytesPerMs
    this.#since = performance.now()
    this.#waiting.add(this)
  }

  /** The wait is over, and brought `bytes`. */
  end(bytes = 0): void {
    this.#waiting.delete(this)
    const left = this.#leftMs - (performance.now() - this.#since) + bytes / this.#bytesPerMs
    this.#leftMs = Math.min(left, this.#graceMs)
  }

  isOverdue(now: number): boolean {
    return now - this.#since > this.#leftMs
  }
}
