import type { LineWriter } from '../lib/lines/line-writer.ts'

/** The lines of one log, on an output that several logs may share. Counts the lines that were dropped. */
export class LogLines {
  readonly #writer: LineWriter
  #dropped = 0
  #told = 0

  constructor(writer: LineWriter) {
    this.#writer = writer
  }

  /** Number of lines lost since the start. */
  get dropped(): number {
    return this.#dropped
  }

  write(line: string): void {
    if (!this.#writer.write(line)) this.#dropped += 1
  }

  /** Reports lost lines.
   *  @param tell called with their number when lines are written again */
  whenLost(tell: (count: number) => void): void {
    this.#writer.whenDrained(() => {
      const count = this.#dropped - this.#told
      if (count === 0) return
      this.#told = this.#dropped
      tell(count)
    })
  }
}
