import type { Server, Socket } from 'node:net'
import type { Log } from '../../core/log.ts'
import { errorBoundary } from '../error-boundary.ts'

export interface ProtocolSnifferOptions {
  /** Time limit for the first bytes. */
  readonly timeoutMs: number
  /** The handler of a connection that begins so; undefined until that can be decided. */
  readonly choose: (bytes: Buffer) => ConnectionHandler | undefined
}

export type ConnectionHandler = (socket: Socket) => void

/** Decides by the first bytes of each connection which server handles it, and hands the bytes on. */
export class ProtocolSniffer {
  readonly #options: ProtocolSnifferOptions
  readonly #silent = new Set<Socket>()
  readonly #all = new Set<Socket>()

  constructor(server: Server, options: ProtocolSnifferOptions) {
    this.#options = options
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => this.#look(socket))
  }

  /** Closes connections that have sent nothing yet. */
  endSilent(): void {
    for (const socket of this.#silent) socket.destroy()
  }

  /** Closes all connections. */
  endAll(): void {
    for (const socket of this.#all) socket.destroy()
  }

  #look(socket: Socket): void {
    const timer = setTimeout(() => socket.destroy(), this.#options.timeoutMs)
    const done = () => {
      clearTimeout(timer)
      this.#silent.delete(socket)
      socket.removeListener('readable', onReadable)
      socket.removeListener('error', onError)
    }
    const onError = () => socket.destroy()
    let held: Buffer = Buffer.alloc(0)
    const onReadable = () => {
      const bytes: Buffer | null = socket.read()
      if (bytes === null) return
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
      const handle = this.#options.choose(held)
      if (handle === undefined) return
      done()
      // Pushed back last, because it would be read again at once.
      socket.unshift(held)
      handle(socket)
    }
    this.#silent.add(socket)
    this.#all.add(socket)
    socket.once('close', () => {
      done()
      this.#all.delete(socket)
    })
    socket.on('error', onError)
    socket.on('readable', onReadable)
  }
}

/** A server's own connection listener. */
export function handlerOf(server: Server, log: Log): ConnectionHandler {
  const [handle] = server.listeners('connection')
  const bounded = errorBoundary(log)<Socket, void, void, void>(
    (socket) => handle?.call(server, socket),
    (socket) => socket.destroy(),
  )
  return (socket) => bounded(socket)
}
