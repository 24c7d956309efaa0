import { hash } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Locks } from '../../core/coordination/locks.ts'
import type { UpstreamBlob } from '../../core/upstream/upstream-registry.ts'
import { removeFile } from '../../lib/files/private-folder.ts'
import { readFromOwner, receiveStart, sendError, sendHead, write } from './flight-socket.ts'

/** What other workers need of a flight. */
export interface SharedFlight {
  readonly opened: Promise<number | undefined>
  readonly landed: Promise<number>
  read(range?: { start: number; end: number }): AsyncIterable<Uint8Array>
}

export interface ClaimParts {
  readonly locks: Locks
  /** A folder that only this user may enter, the same in all workers. */
  readonly folder: string
  /** Identifies the blob. */
  readonly key: string
  readonly flight: () => SharedFlight
}

/** The sources of a blob's bytes, from the byte `start` on. */
export interface BlobSources {
  /** Undefined if another worker has not stored it meanwhile. */
  stored(start: number): Promise<UpstreamBlob | undefined>
  fetch(): Promise<UpstreamBlob>
}

const WAIT_MS = 20

/** A flight's part in the agreement of the workers that one of them, the owner, fetches a blob. The owner holds the
 *  lock of the blob, and serves its bytes to the others on a Unix socket. If its process ends, the lock is released,
 *  and the flight of another worker goes on at the upstream where it was. */
export class FlightClaim {
  /** Resolves to true once this flight is the owner, and to false if it has ended without being it. */
  readonly owned: Promise<boolean>
  readonly #parts: ClaimParts
  readonly #path: string
  readonly #settled = Promise.withResolvers<boolean>()
  #isOwner = false
  #server: Server | undefined

  constructor(parts: ClaimParts) {
    this.#parts = parts
    this.#path = join(parts.folder, hash('sha256', parts.key).slice(0, 32))
    this.owned = this.#settled.promise
  }

  /** Opens the bytes at the owner, or at the upstream as the owner. Called again after a break.
   *  @throws UpstreamError; RegistryError UNAVAILABLE; the signal's reason */
  async open(start: number, signal: AbortSignal, { stored, fetch }: BlobSources): Promise<UpstreamBlob> {
    while (!this.#isOwner) {
      signal.throwIfAborted()
      if (await this.#parts.locks.acquire(this.#lock)) {
        this.#isOwner = true
        const found = await stored(start)
        if (found !== undefined) {
          await this.#release()
          return found
        }
        this.#settled.resolve(true)
        await this.#listen()
        break
      }
      const served = await readFromOwner(this.#path, start, signal)
      if (served !== undefined) return served
      await delay(WAIT_MS, undefined, { signal })
    }
    return fetch()
  }

  /** The flight has all its bytes, or has failed: it becomes no owner any more. */
  settle(): void {
    this.#settled.resolve(false)
  }

  /** Another flight may become the owner. Connections go on. */
  async end(): Promise<void> {
    this.settle()
    this.#server?.close() // which removes the socket at once
    await this.#release()
  }

  get #lock(): string {
    return `flight ${this.#parts.key}`
  }

  async #release(): Promise<void> {
    if (!this.#isOwner) return
    this.#isOwner = false
    await this.#parts.locks.release(this.#lock)
  }

  /** Without a socket the others wait until the blob is stored. */
  async #listen(): Promise<void> {
    await removeFile(this.#path) // that of an owner that was killed
    const server = createServer((socket) => void this.#serve(socket))
    await new Promise<void>((resolve) => {
      server.once('error', () => resolve())
      // Otherwise node:cluster would listen in the supervisor.
      server.listen({ path: this.#path, exclusive: true }, resolve)
    })
    server.unref()
    this.#server = server
  }

  async #serve(socket: Socket): Promise<void> {
    socket.on('error', () => {}) // the other worker has gone
    const flight = this.#parts.flight()
    try {
      const start = await receiveStart(socket)
      const size = (await flight.opened) ?? (await flight.landed)
      if (!(await sendHead(socket, size))) return
      if (start < size)
        for await (const chunk of flight.read({ start, end: size - 1 }))
          if (!(await write(socket, chunk))) return
      socket.end()
    } catch (error) {
      sendError(socket, error)
    }
  }
}
