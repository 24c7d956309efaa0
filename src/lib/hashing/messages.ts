/** To the thread, before the first task with this memory. */
export interface MemoryMessage {
  readonly number: number
  readonly memory: SharedArrayBuffer
}

/** From the thread: a digest in hexadecimal, or the report that it has come so far. */
export interface Answer {
  readonly number: number
  readonly digest: string | undefined
}
