/** The model of one thing that can be written and read: a tag, or whether a blob is there. It remembers which writes were
 *  acknowledged, and so knows what a reader may find after a crash. */

let clock = 0

/** A moment, to be compared with those of writes. */
export function now(): number {
  return ++clock
}

/** A write under way. */
export interface Write {
  /** To be called when the registry has said yes. */
  acknowledge(): void
}

interface RememberedWrite<Value> {
  readonly value: Value
  readonly startedAt: number
  acknowledgedAt: number
}

export class Register<Value> {
  #writes: RememberedWrite<Value>[]

  constructor(initial: Value) {
    this.#writes = [{ value: initial, startedAt: 0, acknowledgedAt: 0 }]
  }

  /** To be called before the request is sent. Without an acknowledgement the write may have happened or not. */
  begin(value: Value): Write {
    const write = { value, startedAt: ++clock, acknowledgedAt: Number.POSITIVE_INFINITY }
    this.#writes.push(write)
    return {
      acknowledge: () => {
        write.acknowledgedAt = ++clock
      },
    }
  }

  /** What a reader may find: every value but those that an acknowledged write has certainly replaced, because it began
   *  when they had been acknowledged already.
   *  @param since when the reader began to look (`now()`), where others write meanwhile */
  candidates(since = Number.POSITIVE_INFINITY): Value[] {
    const acknowledged = this.#writes.filter(({ acknowledgedAt }) => acknowledgedAt < since)
    const lastBegin = Math.max(...acknowledged.map(({ startedAt }) => startedAt))
    return this.#writes.filter((write) => write.acknowledgedAt >= lastBegin).map(({ value }) => value)
  }

  /** True when it was written to since it was last settled. */
  get touched(): boolean {
    return this.#writes.length > 1
  }

  /** After a crash: what was found is what it is, and stays until the next write. */
  settle(value: Value): void {
    this.#writes = [{ value, startedAt: ++clock, acknowledgedAt: ++clock }]
  }
}

/** Does work that is several writes at once; they are acknowledged when it succeeds. */
export async function asWrites(writes: readonly Write[], work: () => Promise<unknown>): Promise<void> {
  await work()
  for (const write of writes) write.acknowledge()
}
