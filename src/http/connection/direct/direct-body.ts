import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { freeMemoryOf, passOnMemory } from '../../../lib/free-memory.ts'
import type { SharedMemory } from '../../../lib/shared-memory/shared-memory.ts'
import type { Framing } from './framing.ts'
import { SocketReads } from './socket-reads.ts'

/** What may wait to be read, in bytes, before the client has to wait. */
const MAX_WAITING_BYTES = 128 * 1024

export interface DirectBodyOptions {
  readonly framing: Framing
  /** What has arrived behind the request's head, which nobody uses any more. */
  readonly received: Buffer
  /** Called once, when it is complete or never will be. */
  readonly onEnd: (failure?: Error) => void
}

/** The body of a request, read from its connection. Nothing is received before somebody asks for it. */
export class DirectBody {
  readonly #socket: Socket
  readonly #framing: Framing
  readonly #onEnd: DirectBodyOptions['onEnd']
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #isFlowing = false
  /** Undefined if they are the stream's own. */
  #reads: SocketReads | undefined
  #failure: Error | undefined
  #rest: Buffer = Buffer.alloc(0)
  /** For who waits for bytes. */
  #arrival: PromiseWithResolvers<void> | undefined

  constructor(socket: Socket, { framing, received, onEnd }: DirectBodyOptions) {
    this.#socket = socket
    this.#framing = framing
    this.#onEnd = onEnd
    if (received.length > 0) this.#take(received)
  }

  /** True once all of it has arrived. */
  get isComplete(): boolean {
    return this.#framing.isComplete
  }

  /** What the client has sent behind it. */
  get rest(): Buffer {
    return this.#rest
  }

  /** Moves what waits into memory that other threads see, and lets what follows arrive there, as far as there is some. */
  receiveInto(memory: SharedMemory): void {
    if (this.#isFlowing || this.isComplete) return
    const reads = SocketReads.of(this.#socket, memory)
    if (reads !== undefined) this.#waiting = this.#waiting.map((chunk) => reads.place(chunk))
    this.#reads = reads
  }

  /** The next chunk, which belongs to the caller; undefined at the end.
   *  @throws Error if the client leaves before the end, or frames the body wrongly */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.#waiting.shift()
      if (chunk !== undefined) {
        this.#waitingBytes -= chunk.length
        return chunk
      }
      if (this.#failure !== undefined) throw this.#failure
      if (this.#framing.isComplete) return undefined
      this.#arrival ??= Promise.withResolvers()
      const { promise } = this.#arrival
      this.#flow() // may find bytes at once
      await promise
    }
  }

  /** Reads over what follows.
   *  @param maxBytes afterwards the client has to wait
   *  @returns true if that was all of it */
  async discard(maxBytes: number): Promise<boolean> {
    let size = 0
    for (let chunk = await this.next(); chunk !== undefined; chunk = await this.next()) {
      size += chunk.length
      freeMemoryOf(chunk)
      if (size > maxBytes) return false
    }
    return true
  }

  /** Ends it early; it does nothing once all has arrived. */
  fail(failure: Error): void {
    if (this.#framing.isComplete || this.#failure !== undefined) return
    this.#failure = failure
    this.#end(failure)
  }

  readonly #onData = (received: Buffer): void => {
    this.#take(received)
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#stop()
    this.#wake()
  }

  #take(received: Buffer): void {
    try {
      const content = this.#framing.take(received)
      if (content.length > 0) {
        passOnMemory(content)
        this.#waitingBytes += content.length
        this.#waiting.push(content)
      }
    } catch (error) {
      this.fail(error as Error)
      return
    }
    if (!this.#framing.isComplete) return
    // The memory is that of the body, which is used again.
    this.#rest = Buffer.from(this.#framing.rest)
    this.#end()
  }

  #end(failure?: Error): void {
    this.#stop()
    this.#reads?.leave()
    this.#wake()
    this.#onEnd(failure)
  }

  #flow(): void {
    if (this.#isFlowing) return
    this.#isFlowing = true
    if (this.#reads !== undefined) {
      this.#reads.start(this.#onData)
      return
    }
    this.#socket.on('data', this.#onData)
    this.#socket.resume()
  }

  #stop(): void {
    if (!this.#isFlowing) return
    this.#isFlowing = false
    if (this.#reads !== undefined) {
      this.#reads.pause()
      return
    }
    this.#socket.removeListener('data', this.#onData)
    this.#socket.pause()
  }

  #wake(): void {
    this.#arrival?.resolve()
    this.#arrival = undefined
  }
}

const bodies = new WeakMap<IncomingMessage, DirectBody>()

/** The body of a request, if it is read from the connection. */
export function directBodyOf(request: IncomingMessage): DirectBody | undefined {
  return bodies.get(request)
}

export function setDirectBody(request: IncomingMessage, body: DirectBody): void {
  bodies.set(request, body)
}
