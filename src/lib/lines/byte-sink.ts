import { close, constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { isatty } from 'node:tty'

/** Called with the number of bytes taken, or with the error: EAGAIN if there is no room at the moment. */
export type OnTaken = (error: Error | null | undefined, takenBytes: number) => void

/** A destination of bytes. It never blocks the event loop, and its pending writes do not keep the process
 *  alive. */
export interface ByteSink {
  /** Limit of one write. */
  readonly maxWriteBytes: number
  /** True if it must be replaced by another one. */
  readonly isBroken: boolean
  /** Starts a write; one at a time. */
  write(bytes: Uint8Array, onTaken: OnTaken): void
  /** Writes synchronously what there is room for. Used when the process ends. */
  writeAtOnce(bytes: Uint8Array): void
  /** Closes it. A pending write may be lost. */
  close(): void
}

/** Opens a file for appending, created for its owner only if missing; or a device, or a pipe.
 *  @throws Error of the system, with the code ENXIO for a pipe without a reader */
export function openSink(path: string): ByteSink {
  return sinkOf(openSync(path, constants.O_CREAT | NEVER_WAITING, 0o600))
}

/** Standard output or standard error, of any kind. A pipe or a terminal is reopened if possible: other processes share it and
 *  rely on its blocking mode, which must be off here. */
export function openStandardStream(descriptor: typeof STDOUT | typeof STDERR): ByteSink {
  const stats = fstatSync(descriptor)
  if (stats.isFIFO() || isatty(descriptor)) {
    try {
      return sinkOf(openSync(`/proc/self/fd/${descriptor}`, NEVER_WAITING))
    } catch (error) {
      if (!CANNOT_BE_OPENED_ANEW.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
  const { stdout, stderr } = process
  if (stats.isFIFO() || stats.isSocket())
    return new SharedSocketSink((descriptor === STDOUT ? stdout : stderr) as unknown as Socket)
  return new FileSink(descriptor)
}

export const STDOUT = 1
export const STDERR = 2

const NEVER_WAITING = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY

/** Errors of reopening: another user's pipe, as in some containers; no /proc; no reader. */
const CANNOT_BE_OPENED_ANEW = new Set(['EACCES', 'EPERM', 'ENOENT', 'ENXIO'])

function sinkOf(descriptor: number): ByteSink {
  if (!fstatSync(descriptor).isFIFO()) return new FileSink(descriptor)
  return new SocketSink(new Socket({ fd: descriptor, readable: false, writable: true }))
}

/** A file or a device, written in another thread. */
class FileSink implements ByteSink {
  readonly maxWriteBytes = 64 * 1024
  readonly isBroken = false
  readonly #descriptor: number
  #isWriting = false

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  write(bytes: Uint8Array, onTaken: OnTaken): void {
    this.#isWriting = true
    write(this.#descriptor, bytes, (error, takenBytes) => {
      this.#isWriting = false
      onTaken(error, takenBytes)
    })
  }

  writeAtOnce(bytes: Uint8Array): void {
    try {
      writeSync(this.#descriptor, bytes)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error
    }
  }

  /** Closes the descriptor, unless a thread still uses it; then the end of the process does. */
  close(): void {
    if (this.#descriptor > STDERR && !this.#isWriting) close(this.#descriptor, () => {})
  }
}

/** Limit of atomic writes to a pipe, into which no other process's bytes can fall: PIPE_BUF of Linux. */
const PIPE_BUF = 4096

/** A pipe or a socket, which reports when it has room. */
class SocketSink implements ByteSink {
  readonly maxWriteBytes = PIPE_BUF
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    // Errors are reported by the write.
    if (socket.listenerCount('error') === 0) socket.on('error', () => {})
  }

  get isBroken(): boolean {
    return this.#socket.destroyed
  }

  write(bytes: Uint8Array, onTaken: OnTaken): void {
    this.#socket.write(bytes, (error) => onTaken(error, bytes.length))
  }

  writeAtOnce(bytes: Uint8Array): void {
    this.write(bytes, () => {})
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** A standard stream that could not be reopened. Child processes that inherit it make it blocking again. */
class SharedSocketSink extends SocketSink {
  readonly #handle: Handle | null | undefined

  constructor(socket: Socket & { readonly _handle?: Handle | null }) {
    super(socket)
    this.#handle = socket._handle
  }

  override write(bytes: Uint8Array, onTaken: OnTaken): void {
    if (!this.isBroken) this.#handle?.setBlocking?.(false)
    super.write(bytes, onTaken)
  }
}

interface Handle {
  setBlocking?(isBlocking: boolean): number
}
