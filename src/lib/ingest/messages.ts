/** To the thread, before the first task with this memory. */
export interface MemoryMessage {
  readonly number: number
  readonly memory: SharedArrayBuffer
}

/** From the thread: the answer to a question; the failure of a file, which is told only once; or, with neither, the report that it has come so
 *  far. */
export interface Answer {
  /** That of the question or the file. */
  readonly number: number
  /** In hexadecimal. */
  readonly digest?: string
  readonly failure?: WriteFailure
}

/** An error of the system, which loses its code as a message. */
export interface WriteFailure {
  readonly message: string
  readonly code: string | undefined
}
