import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StorageError } from '../../../core/errors.ts'

/** Bytes that may wait before the writer must. */
const MAX_QUEUED_BYTES = 128 * 1024

/** A temporary file for bytes beyond the memory budget, in `TMPDIR`. It has no name, so it vanishes with the
 *  process. */
export class SpillFile {
  readonly #opening: Promise<FileHandle> = openNameless()
  #writing: Promise<void>
  #size = 0
  #queuedBytes = 0

  constructor() {
    this.#writing = this.#opening.then(() => undefined)
    this.#writing.catch(() => undefined) // who reads hears of it
  }

  /** Appends bytes.
   *  @param bytes owned by the file from now on */
  append(bytes: Uint8Array): void {
    const position = this.#size
    this.#size += bytes.byteLength
    this.#queuedBytes += bytes.byteLength
    this.#writing = this.#writing.then(() => this.#write(bytes, position))
    this.#writing.catch(() => undefined) // who reads hears of it
  }

  /** Resolves once few bytes wait to be written; undefined if that is so now.
   *  @throws StorageError BUSY if it can't be written */
  room(): Promise<void> | undefined {
    return this.#queuedBytes > MAX_QUEUED_BYTES ? this.#inWords(this.#writing) : undefined
  }

  /** A function that reads all bytes so far. It throws StorageError BUSY if they could not be written, or
   *  can't be read. */
  snapshot(): () => Promise<Buffer> {
    const [size, writing] = [this.#size, this.#writing]
    return () => this.#inWords(writing.then(() => this.#read(size)))
  }

  close(): void {
    const close = () => this.#opening.then((file) => file.close())
    this.#writing.then(close, close).catch(() => undefined) // nothing of it is needed any more
  }

  async #read(size: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(size)
    const file = await this.#opening
    for (let read = 0; read < size; ) {
      const { bytesRead } = await file.read(bytes, read, size - read, read)
      if (bytesRead === 0) throw new Error('the file is shorter than what was written')
      read += bytesRead
    }
    return bytes
  }

  async #write(bytes: Uint8Array, position: number): Promise<void> {
    const file = await this.#opening
    for (let written = 0; written < bytes.byteLength; ) {
      const left = bytes.byteLength - written
      written += (await file.write(bytes, written, left, position + written)).bytesWritten
    }
    this.#queuedBytes -= bytes.byteLength
  }

  async #inWords<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work
    } catch (cause) {
      const message = `uploads can't be written to ${tmpdir()}: ${(cause as Error).message}`
      throw new StorageError('BUSY', { path: '/', message, cause })
    }
  }
}

/** Checks that such files can be created.
 *  @throws Error of the system */
export async function tryToSpill(): Promise<void> {
  await (await openNameless()).close()
}

async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `entrepot-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}
