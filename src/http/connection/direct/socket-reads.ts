import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { freeMemoryOf, passOnMemory } from '../../../lib/free-memory.ts'
import type { SharedMemory } from '../../../lib/shared-memory/shared-memory.ts'
import { SLAB_BYTES, type Slab } from '../../../lib/shared-memory/slab.ts'

/** Less room is not worth a read. */
const MIN_READ_BYTES = 64 * 1024

/** For what comes between bodies, and without memory to share: read, and copied at once. */
const passing = Buffer.allocUnsafeSlow(MIN_READ_BYTES)

/** What sockets with the option `onread` keep under symbols of Node's own: the memory, and the two functions of the option. */
interface ReadFields {
  readonly buffer: symbol
  readonly generator: symbol
  readonly callback: symbol
}

interface Handle {
  reading: boolean
  readStart(): number
  readStop(): number
  useUserBuffer(memory: Uint8Array): void
}

const fields = findFields()
const known = new WeakMap<Socket, SocketReads>()

/** Reads from a socket into memory that other threads see, past its stream, as the option `onread` of a new Socket does. Accepted sockets
 *  don't have that option, so it is set afterwards. */
export class SocketReads {
  readonly #socket: Socket
  #memory: SharedMemory | undefined
  #slab: Slab | undefined
  /** True if the next read goes to `passing`. */
  #isPassing = true
  #take: ((chunk: Buffer) => void) | undefined

  /** Undefined if this version of Node has no such option, or has it elsewhere, and for encrypted connections. */
  static of(socket: Socket, memory: SharedMemory): SocketReads | undefined {
    const reads = known.get(socket) ?? SocketReads.#begin(socket)
    if (reads !== undefined) reads.#memory = memory
    return reads
  }

  static #begin(socket: Socket): SocketReads | undefined {
    const handle = handleOf(socket)
    if (fields === undefined || socket instanceof TLSSocket || typeof handle?.useUserBuffer !== 'function')
      return undefined
    const reads = new SocketReads(socket)
    Object.assign(socket, {
      [fields.buffer]: passing,
      [fields.generator]: () => reads.#room(),
      [fields.callback]: (length: number, memory: Uint8Array) => reads.#received(length, memory),
    })
    handle.useUserBuffer(passing)
    socket.once('close', () => reads.#closeSlab())
    known.set(socket, reads)
    return reads
  }

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Passes on what waits in the stream, and then what arrives. */
  start(take: (chunk: Buffer) => void): void {
    this.#take = take
    while (this.#take === take) {
      const waiting: Buffer | null = this.#socket.read()
      if (waiting === null) break
      take(waiting)
    }
    if (this.#take === take) this.#read(true)
  }

  /** Moves a chunk of other memory to where reads go; leaves it if there is no room. */
  place(chunk: Buffer): Buffer {
    // Otherwise Node has the place behind the last read already.
    const slab = this.#isPassing ? this.#openSlab() : undefined
    if (slab === undefined || SLAB_BYTES - slab.end < chunk.length) return chunk
    slab.memory.set(chunk, slab.end)
    const placed = nextPart(slab, chunk.length)
    passOnMemory(placed)
    freeMemoryOf(chunk)
    return placed
  }

  /** What arrives waits at the client. */
  pause(): void {
    this.#take = undefined
    this.#read(false)
  }

  /** What arrives is for the stream again. */
  leave(): void {
    this.#take = undefined
    this.#memory = undefined
    this.#read(true)
  }

  #read(isWanted: boolean): void {
    const handle = handleOf(this.#socket)
    if (handle === undefined || handle.reading === isWanted) return
    handle.reading = isWanted
    if (isWanted) handle.readStart()
    else handle.readStop()
  }

  /** The memory of the next read. Node keeps to that of the last one until it calls this, after each read. */
  #room(): Uint8Array {
    if (this.#memory === undefined) this.#closeSlab()
    const slab = this.#openSlab()
    this.#isPassing = slab === undefined
    return slab?.memory.subarray(slab.end) ?? passing
  }

  #openSlab(): Slab | undefined {
    if (this.#slab !== undefined && SLAB_BYTES - this.#slab.end < MIN_READ_BYTES) this.#closeSlab()
    this.#slab ??= this.#memory?.take()
    return this.#slab
  }

  /** @returns false if no more is wanted */
  #received(length: number, memory: Uint8Array): boolean {
    const slab = this.#isPassing ? this.#openSlab() : this.#slab
    if (this.#take === undefined || slab === undefined) {
      const copy = Buffer.allocUnsafeSlow(length)
      copy.set(memory.subarray(0, length))
      if (this.#take === undefined) return this.#socket.push(copy)
      this.#take(copy)
    } else {
      if (this.#isPassing) slab.memory.set(memory.subarray(0, length), slab.end)
      this.#take(nextPart(slab, length))
    }
    return handleOf(this.#socket)?.reading ?? false
  }

  #closeSlab(): void {
    this.#slab?.release()
    this.#slab = undefined
  }
}

/** The next bytes of a slab, which are filled. */
function nextPart(slab: Slab, length: number): Buffer {
  slab.end += length
  return slab.memory.subarray(slab.end - length, slab.end)
}

function handleOf(socket: Socket): Handle | undefined {
  return (socket as { _handle?: Handle | null })._handle ?? undefined
}

function findFields(): ReadFields | undefined {
  const symbols = Object.getOwnPropertySymbols(new Socket())
  const named = (name: string) => symbols.find(({ description }) => description === name)
  const [buffer, generator, callback] = [named('kBuffer'), named('kBufferGen'), named('kBufferCb')]
  return buffer && generator && callback && { buffer, generator, callback }
}
