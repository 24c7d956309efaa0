/** Work of this time is not interrupted. */
const SLICE_MS = 4
/** A rest is at most so many times as long as the work before it, so that this goes on whatever the load. */
const MAX_RESTS = 4
const MAX_REST_MS = 20

/** Long work gives way to requests: while there are any, it rests longer than it works. */
export class Courtesy {
  #requests = 0
  /** Those that a rest was made for. */
  #noted = 0
  #workingSince = 0
  #resting: Promise<void> | undefined

  /** Notes a request. */
  noteRequest(): void {
    this.#requests++
  }

  /** Called often by the work. Undefined if it may go on. */
  untilFree(): Promise<void> | undefined {
    if (this.#resting !== undefined) return this.#resting
    const now = performance.now()
    if (this.#requests === this.#noted) this.#workingSince = now
    if (now - this.#workingSince < SLICE_MS) return undefined
    this.#resting = this.#rest(Math.min(now - this.#workingSince, MAX_REST_MS)).finally(() => {
      this.#resting = undefined
      this.#workingSince = performance.now()
    })
    return this.#resting
  }

  /** Ends early if there was no request for a while. */
  async #rest(milliseconds: number): Promise<void> {
    for (let rests = 0; rests < MAX_RESTS && this.#requests !== this.#noted; rests++) {
      this.#noted = this.#requests
      await new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
    }
  }
}
