import { close, constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { isatty } from 'node:tty'

/** Told how many of the bytes were taken, or the error: EAGAIN when there is no room at the moment. */
export type OnTaken = (error: Error | null | undefined, takenBytes: number) => void

/** Where bytes go. Nothing here waits in this process's own thread, and nothing that a thread waits for keeps the process
 *  from ending. */
export interface ByteSink {
  /** The most that one write should have. */
  readonly maxWriteBytes: number
  /** Whether another one must be opened in its place. */
  readonly isBroken: boolean
  /** One write at a time. */
  write(bytes: Uint8Array, onTaken: OnTaken): void
  /** Writes what there is room for here and now. Used when the process ends. */
  writeAtOnce(bytes: Uint8Array): void
  /** What is being written may be lost. */
  close(): void
}

/** Opens a file to append to it, which is made when it is missing, for its owner only; or a device, or a pipe.
 *  @throws Error of the system: with the code ENXIO for a pipe that nobody reads */
export function openSink(path: string): ByteSink {
  return sinkOf(openSync(path, constants.O_CREAT | NEVER_WAITING, 0o600))
}

/** Standard output, whatever it is. A pipe or a terminal is opened anew where the system lets us: other processes have the
 *  same one and expect to wait for it, which we must never do. */
export function openStandardOutput(): ByteSink {
  const stats = fstatSync(STDOUT)
  if (stats.isFIFO() || isatty(STDOUT)) {
    try {
      return sinkOf(openSync(`/proc/self/fd/${STDOUT}`, NEVER_WAITING))
    } catch (error) {
      if (!CANNOT_BE_OPENED_ANEW.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
  if (stats.isFIFO() || stats.isSocket()) return new SharedSocketSink(process.stdout as unknown as Socket)
  return new FileSink(STDOUT)
}

const STDOUT = 1

const NEVER_WAITING = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY

/** Another user's, as in some containers; no /proc; nobody reads it. */
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

  /** While a thread still uses the descriptor it is left to the end of the process. */
  close(): void {
    if (this.#descriptor !== STDOUT && !this.#isWriting) close(this.#descriptor, () => {})
  }
}

/** What a write to a pipe may have so that no other process's bytes get into the middle of it: PIPE_BUF of Linux. */
const PIPE_BUF = 4096

/** A pipe or a socket that tells when it has room. */
class SocketSink implements ByteSink {
  readonly maxWriteBytes = PIPE_BUF
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    // Whoever writes is told by the write.
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

/** One that could not be opened anew. A process that is started with it lets all others wait for it again. */
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
