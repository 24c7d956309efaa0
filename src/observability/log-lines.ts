import type { LineWriter } from '../lib/line-writer.ts'

/** The lines of one log on their way to a place that several logs may share. Those for which there is no room are counted. */
export class LogLines {
  readonly #writer: LineWriter
  #dropped = 0
  #told = 0

  constructor(writer: LineWriter) {
    this.#writer = writer
  }

  /** How many lines were lost since the start. */
  get dropped(): number {
    return this.#dropped
  }

  write(line: string): void {
    if (!this.#writer.write(line)) this.#dropped += 1
  }

  /** @param tell called when lines are written again after some were lost, with how many */
  whenLost(tell: (count: number) => void): void {
    this.#writer.whenDrained(() => {
      const count = this.#dropped - this.#told
      if (count === 0) return
      this.#told = this.#dropped
      tell(count)
    })
  }
}
