import type { ByteSink } from './byte-sink.ts'
import { LineBuffer } from './line-buffer.ts'

export interface LineWriterOptions {
  /** Called at the start, and again to replace a broken sink. */
  readonly open: () => ByteSink
  /** Limit of waiting lines, in bytes. */
  readonly maxWaiting?: number
  /** Called with the first error of each period in which writing fails. */
  readonly onFailure?: (error: Error) => void
}

const MAX_WAITING = 4 * 1024 ** 2

/** Minimum time from one write to the next. Each costs a switch to another thread and back, whatever it writes. */
const GATHER_MS = 4

/** Delays before a retry: after an error, and if there is no room. */
const RETRY_MS = 1_000
const NO_ROOM_MS = 10

/** Errors of `open` that may be temporary. */
const MAY_PASS = new Set(['ENOSPC', 'EDQUOT', 'ENXIO'])

/** Writes lines in order without ever blocking the caller: they wait in memory, and are dropped when too many
 *  wait. Writes that fail are retried without end. */
export class LineWriter {
  readonly #options: LineWriterOptions
  readonly #maxWaiting: number
  readonly #onDrained: (() => void)[] = []
  readonly #lines = new LineBuffer()
  /** The rest of a partly written batch, which must be written next. */
  #rest: Uint8Array | undefined
  #sink: ByteSink | undefined
  #replacement: ByteSink | undefined
  #isWriting = false
  #isFailing = false
  #isClosing = false
  #isDone = false
  #soon: NodeJS.Immediate | NodeJS.Timeout | undefined
  /** Time of the last write, by `performance.now()`. */
  #writtenAt = Number.NEGATIVE_INFINITY
  #later: NodeJS.Timeout | undefined
  #settled = () => {}

  /** Opens the sink.
   *  @throws Error of `open` */
  constructor(options: LineWriterOptions) {
    this.#options = options
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING
    try {
      this.#sink = options.open()
    } catch (error) {
      if (!MAY_PASS.has((error as NodeJS.ErrnoException).code ?? '')) throw error
      this.#fail(error as Error)
    }
    process.on('exit', this.#atExit)
  }

  /** Queues a line. Lines of one turn of the event loop are written together, and of some milliseconds while there are
   *  many.
   *  @param line with its line end
   *  @returns false if there is no room; the line is dropped then */
  write(line: string): boolean {
    if (this.#isDone || this.#lines.byteLength + line.length > this.#maxWaiting) return false
    this.#lines.append(line)
    if (!this.#isWriting && this.#later === undefined && this.#soon === undefined) this.#pumpSoon()
    return true
  }

  #pumpSoon(): void {
    if (performance.now() - this.#writtenAt > GATHER_MS) this.#soon = setImmediate(this.#pump)
    else this.#soon = setTimeout(this.#pump, GATHER_MS).unref()
  }

  /** Calls back each time the queue has become empty. */
  whenDrained(onDrained: () => void): void {
    this.#onDrained.push(onDrained)
  }

  /** Continues in a newly opened sink; no line is divided between the two.
   *  @throws Error of `open`; then it goes on with the old one */
  reopen(): void {
    const replacement = this.#options.open()
    this.#replacement?.close()
    this.#replacement = replacement
    this.#tryNow()
  }

  /** Resolves once all lines are written, can't be, or the time is over. Takes no more lines. */
  async close(patienceMs: number): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    process.off('exit', this.#atExit)
    const settled = new Promise<void>((resolve) => {
      this.#settled = resolve
    })
    this.#tryNow()
    const patience = setTimeout(this.#settled, patienceMs)
    await settled
    this.#isDone = true
    clearTimeout(patience)
    clearTimeout(this.#later)
    this.#forgetSoon()
    this.#replacement?.close()
    this.#sink?.close()
  }

  #tryNow(): void {
    clearTimeout(this.#later)
    this.#later = undefined
    this.#forgetSoon()
    this.#pump()
  }

  #forgetSoon(): void {
    clearTimeout(this.#soon as NodeJS.Timeout)
    clearImmediate(this.#soon as NodeJS.Immediate)
    this.#soon = undefined
  }

  readonly #pump = (): void => {
    this.#soon = undefined
    if (this.#isWriting || this.#isDone) return
    try {
      if (this.#isIdle) this.#drained()
      const sink = this.#currentSink()
      if (this.#isIdle) return
      this.#rest ??= this.#lines.take(sink.maxWriteBytes)
      this.#isWriting = true
      this.#writtenAt = performance.now()
      sink.write(this.#rest, this.#written)
    } catch (error) {
      this.#isWriting = false
      this.#fail(error as Error)
    }
  }

  get #isIdle(): boolean {
    return this.#rest === undefined && this.#lines.byteLength === 0
  }

  /** The sink for the next write. A partly written batch is completed in the sink it was begun in, unless
   *  that fails.
   *  @throws Error of `open` */
  #currentSink(): ByteSink {
    const mayReplace = this.#replacement !== undefined && (this.#rest === undefined || this.#isFailing)
    if (!mayReplace && this.#sink?.isBroken === false) return this.#sink
    const sink = this.#replacement ?? this.#options.open()
    this.#replacement = undefined
    this.#sink?.close()
    this.#sink = sink
    return sink
  }

  readonly #written = (error: Error | null | undefined, takenBytes: number): void => {
    this.#isWriting = false
    if (this.#isDone) return
    if (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') this.#tryIn(NO_ROOM_MS)
      else this.#fail(error)
      return
    }
    this.#isFailing = false
    const rest = this.#rest as Uint8Array
    this.#rest = takenBytes < rest.length ? rest.subarray(takenBytes) : undefined
    const waiting = this.#lines.byteLength
    const isFew = this.#rest === undefined && waiting > 0 && waiting < (this.#sink?.maxWriteBytes ?? 0)
    if (isFew && !this.#isClosing) this.#pumpSoon()
    else this.#pump()
  }

  #drained(): void {
    for (const onDrained of this.#onDrained) onDrained()
    if (this.#isIdle) this.#settled()
  }

  #fail(error: Error): void {
    if (!this.#isFailing) this.#options.onFailure?.(error)
    this.#isFailing = true
    if (this.#isClosing) this.#settled()
    else this.#tryIn(RETRY_MS)
  }

  #tryIn(milliseconds: number): void {
    this.#later = setTimeout(() => this.#tryNow(), milliseconds)
    this.#later.unref()
  }

  readonly #atExit = (): void => {
    const lines = this.#lines.takeAll()
    if (this.#rest !== undefined && !this.#isWriting) this.#sink?.writeAtOnce(this.#rest)
    if (lines.length > 0) this.#sink?.writeAtOnce(lines)
  }
}
