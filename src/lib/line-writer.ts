import type { ByteSink } from './byte-sink.ts'

export interface LineWriterOptions {
  /** Called at the start, and again for a sink that is broken or has to be replaced. */
  readonly open: () => ByteSink
  /** How much may wait, in characters. */
  readonly maxWaiting?: number
  /** Told once of each time in which nothing can be written, with the first error. */
  readonly onFailure?: (error: Error) => void
}

const MAX_WAITING = 4 * 1024 ** 2

/** How long until something that failed is tried again, and how long until there may be room again. */
const RETRY_MS = 1_000
const NO_ROOM_MS = 10

/** Of an `open` that may succeed later. */
const MAY_PASS = new Set(['ENOSPC', 'EDQUOT', 'ENXIO'])

/** Writes lines in their order, and never lets anybody wait for them: they wait here while they can't be written, and are
 *  refused when too many wait. What cannot be written now is tried again for ever. */
export class LineWriter {
  readonly #options: LineWriterOptions
  readonly #maxWaiting: number
  readonly #onDrained: (() => void)[] = []
  readonly #lines: string[] = []
  #waiting = 0
  /** What is being written, or has to be next: the rest of some lines. */
  #rest: Uint8Array | undefined
  #sink: ByteSink | undefined
  #replacement: ByteSink | undefined
  #isWriting = false
  #isFailing = false
  #isClosing = false
  #isDone = false
  #soon: NodeJS.Immediate | undefined
  #later: NodeJS.Timeout | undefined
  #settled = () => {}

  /** @throws Error of `open` */
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

  /** Lines of one turn of the event loop are written together.
   *  @param line with its line end
   *  @returns false when there is no room for it: it is lost then */
  write(line: string): boolean {
    if (this.#isDone || this.#waiting + line.length > this.#maxWaiting) return false
    this.#lines.push(line)
    this.#waiting += line.length
    if (!this.#isWriting && this.#later === undefined) this.#soon ??= setImmediate(this.#pump)
    return true
  }

  /** Calls whenever nothing waits any more. */
  whenDrained(onDrained: () => void): void {
    this.#onDrained.push(onDrained)
  }

  /** Goes on with what is opened now; no line is divided between the two.
   *  @throws Error of `open`; then it goes on as before */
  reopen(): void {
    const replacement = this.#options.open()
    this.#replacement?.close()
    this.#replacement = replacement
    this.#tryNow()
  }

  /** Fulfilled when all lines are written, can't be, or the time is over; then it takes no more. */
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
    clearImmediate(this.#soon)
    this.#replacement?.close()
    this.#sink?.close()
  }

  #tryNow(): void {
    clearTimeout(this.#later)
    this.#later = undefined
    this.#pump()
  }

  readonly #pump = (): void => {
    this.#soon = undefined
    if (this.#isWriting || this.#isDone) return
    try {
      if (this.#isIdle) this.#drained()
      const sink = this.#currentSink()
      if (this.#isIdle) return
      this.#rest ??= this.#take(sink.maxWriteBytes)
      this.#isWriting = true
      sink.write(this.#rest, this.#written)
    } catch (error) {
      this.#isWriting = false
      this.#fail(error as Error)
    }
  }

  get #isIdle(): boolean {
    return this.#rest === undefined && this.#lines.length === 0
  }

  /** What was begun is finished where it was begun, unless that fails.
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

  /** Whole lines, as many as one write should have. */
  #take(maxBytes: number): Uint8Array {
    let count = 0
    let bytes = 0
    for (const line of this.#lines) {
      bytes += Buffer.byteLength(line)
      if (count > 0 && bytes > maxBytes) break
      count += 1
    }
    const text = this.#lines.splice(0, count).join('')
    this.#waiting -= text.length
    return Buffer.from(text)
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
    this.#pump()
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
    const text = this.#lines.splice(0).join('')
    if (this.#rest !== undefined && !this.#isWriting) this.#sink?.writeAtOnce(this.#rest)
    if (text !== '') this.#sink?.writeAtOnce(Buffer.from(text))
  }
}
