import type { OnReadOpts, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** Size of the buffers that sockets read into. */
const BUFFER_BYTES = 128 * 1024
/** Less than this is copied, so that small answers do not keep a buffer. */
const MIN_PASSED_BYTES = 32 * 1024
/** A buffer with less room is replaced. RFC 8446 section 5.1: the size of a record. */
const RECORD_BYTES = 16 * 1024
const MAX_FREE_BUFFERS = 32

/** What may wait in a socket, as its `highWaterMark`. */
export const MAX_WAITING_BYTES = 256 * 1024

/** Memory that a socket reads into. */
interface ReadBuffer {
  readonly memory: Buffer
  /** What was passed on. */
  begin: number
  /** What was read. */
  end: number
  /** Sizes of the chunks that were passed on and are in use, by their positions. */
  readonly chunks: Map<number, number>
  /** False once the socket reads into another one. */
  isOpen: boolean
  isScheduled: boolean
}

const buffers = new WeakMap<ArrayBufferLike, ReadBuffer>()
const freeMemory: Buffer[] = []
/** The buffers of encrypted connections. */
const latest = new WeakMap<Socket, ReadBuffer>()

/** An option of `net.connect` and `tls.connect`. Node's own reads take up to 64 KiB, into new memory each time, and each
 *  TLS record of 16 KiB passes a dozen functions by itself. These take up to 128 KiB, into memory that is used again, and
 *  the records of one turn of the event loop are passed on together. */
export function largeReads(): OnReadOpts {
  /** Set by `callback` for the call of `buffer` that follows at once; that for a new socket finds none. */
  let current: ReadBuffer | undefined
  return {
    buffer() {
      const { memory, end } = current ?? openBuffer()
      current = undefined
      return memory.subarray(end)
    },
    /** Node calls it as a method of the socket. */
    callback(this: unknown, length, { buffer: memory }) {
      const socket = this as Socket
      const buffer = buffers.get(memory) as ReadBuffer
      buffer.end += length
      const isUsedUp =
        socket instanceof TLSSocket ? gather(socket, buffer) : passOn(socket, buffer) === 'in use'
      if (isUsedUp) close(buffer)
      else current = buffer
      return socket.readableLength < MAX_WAITING_BYTES
    },
  }
}

/** Takes back the memory of a chunk that is no longer used.
 *  @returns false for memory of others, and for less than was passed on */
export function recycle({ buffer: memory, byteOffset, byteLength }: Uint8Array): boolean {
  const buffer = buffers.get(memory)
  if (buffer?.chunks.get(byteOffset) !== byteLength) return false
  buffer.chunks.delete(byteOffset)
  reuse(buffer)
  return true
}

function openBuffer(): ReadBuffer {
  const memory = freeMemory.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
  const buffer = { memory, begin: 0, end: 0, chunks: new Map(), isOpen: true, isScheduled: false }
  buffers.set(memory.buffer, buffer)
  return buffer
}

function close(buffer: ReadBuffer): void {
  buffer.isOpen = false
  reuse(buffer)
}

function reuse({ isOpen, chunks, memory }: ReadBuffer): void {
  if (!isOpen && chunks.size === 0 && freeMemory.length < MAX_FREE_BUFFERS) freeMemory.push(memory)
}

/** @returns true if there is no room for another record */
function gather(socket: Socket, buffer: ReadBuffer): boolean {
  passOnBeforeEnd(socket, buffer)
  if (BUFFER_BYTES - buffer.end < RECORD_BYTES) {
    passOn(socket, buffer)
    return true
  }
  if (buffer.isScheduled) return false
  buffer.isScheduled = true
  setImmediate(() => {
    buffer.isScheduled = false
    if (!socket.destroyed) passOn(socket, buffer)
  })
  return false
}

function passOnBeforeEnd(socket: Socket, buffer: ReadBuffer): void {
  const isWatched = latest.has(socket)
  latest.set(socket, buffer)
  if (isWatched) return
  const push = socket.push.bind(socket)
  socket.push = (chunk, encoding) => {
    const last = latest.get(socket)
    if (chunk === null && last !== undefined) passOn(socket, last)
    return push(chunk, encoding)
  }
}

/** @returns whether its memory is in use then; otherwise a plain connection may read into it from its start */
function passOn(socket: Socket, buffer: ReadBuffer): 'in use' | 'free' {
  const { memory, begin, end } = buffer
  const chunk = memory.subarray(begin, end)
  buffer.begin = end
  if (chunk.length === 0) return 'free'
  if (chunk.length >= MIN_PASSED_BYTES) {
    buffer.chunks.set(chunk.byteOffset, chunk.length)
    socket.push(chunk)
    return 'in use'
  }
  socket.push(Buffer.from(chunk))
  if (!(socket instanceof TLSSocket)) buffer.begin = buffer.end = 0
  return 'free'
}
