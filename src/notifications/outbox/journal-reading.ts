import {
  filesUntilMissing,
  type JournalBatch,
  type JournalFile,
  type JournalPosition,
  readBatches,
} from './journal-files.ts'

/** What was read of a journal at once. */
export interface JournalPart {
  readonly begin: JournalPosition
  /** How many of its changes are not in the log yet. */
  open: number
}

/** How far one journal was read, and how far what was read is in the log. */
export class JournalReading {
  readonly mark: string
  /** The number of the file that comes next. */
  #next: number
  /** The file before that, if more may be added to it: up to where it was read, and its size by then. */
  #growing: (JournalPosition & { readonly size: number }) | undefined
  /** Files that were read and stand there still, by their numbers. */
  readonly #files = new Map<number, string>()
  /** In order, from the first on that has changes which are not in the log yet. */
  readonly #parts: JournalPart[] = []
  #missing: number | undefined
  /** The time of the last batch. */
  #lastAt = 0
  /** When something new of it was last read, by this process's own clock. */
  heardAt = performance.now()
  /** True if the last look has shown what was not read before. */
  hasNew = false
  /** True if its process had ended before the last look. */
  hasEnded = false
  /** True if its process will note no more outcomes. */
  isGone = false

  constructor(mark: string, { file, offset }: JournalPosition = { file: 0, offset: 0 }) {
    this.mark = mark
    this.#next = offset > 0 ? file + 1 : file
    this.#growing = offset > 0 ? { file, offset, size: offset } : undefined
  }

  /** How far it is in the log, once all that is not open is. */
  get merged(): JournalPosition {
    const { file, offset } = this.#firstOpen?.begin ?? this.#growing ?? { file: this.#next, offset: 0 }
    return { file, offset }
  }

  get hasOpen(): boolean {
    return this.#firstOpen !== undefined
  }

  /** Finds what a listing has of it that can be read now. `isMore` if another listing is needed. */
  look(listed: readonly JournalFile[]): {
    readonly readable: readonly JournalFile[]
    readonly isMore: boolean
  } {
    for (const { number, path } of listed) if (number < this.#next) this.#files.set(number, path)
    const fresh = listed.filter(({ number, size }) => number >= this.#next || this.#hasGrown(number, size))
    this.hasNew = fresh.length > 0
    // The last bytes of a file are read before the next file, though they may have come after the listing.
    const isFollowed = fresh.some(({ number }) => number >= this.#next)
    const last = isFollowed ? listed.find(({ number }) => number === this.#growing?.file) : undefined
    const files = last === undefined || fresh.includes(last) ? fresh : [last, ...fresh]
    const position = { next: this.#next, lastAt: this.#lastAt, missing: this.#missing }
    const found = filesUntilMissing(position, files)
    this.#missing = position.missing
    const { readable } = found
    return {
      ...found,
      readable: readable.map((file, index) => ({ ...file, isLast: index === readable.length - 1 })),
    }
  }

  /** Goes on to the end of a file.
   *  @returns the new batches; no batch has an earlier time than the one before */
  take(
    file: JournalFile,
    content: Uint8Array,
  ): { readonly part: JournalPart; readonly batches: readonly JournalBatch[] } {
    const { number, path, size, grows } = file
    const offset = this.#growing?.file === number ? this.#growing.offset : 0
    const { batches, end } = readBatches(file, content, offset)
    const part = { begin: { file: number, offset }, open: 0 }
    this.#parts.push(part)
    this.#files.set(number, path)
    this.#next = number + 1
    this.#growing = grows ? { file: number, offset: end, size } : undefined
    this.heardAt = performance.now()
    return {
      part,
      batches: batches.map(({ at, records }) => {
        this.#lastAt = Math.max(this.#lastAt, at)
        return { at: this.#lastAt, records }
      }),
    }
  }

  /** Forgets the files that are in the log.
   *  @returns their paths */
  takeMerged(): string[] {
    const until = this.merged.file
    const merged = [...this.#files].filter(([number]) => number < until)
    for (const [number] of merged) this.#files.delete(number)
    return merged.map(([, path]) => path)
  }

  get #firstOpen(): JournalPart | undefined {
    while (this.#parts[0]?.open === 0) this.#parts.shift()
    return this.#parts[0]
  }

  #hasGrown(number: number, size: number): boolean {
    return this.#growing?.file === number && size > this.#growing.size
  }
}
