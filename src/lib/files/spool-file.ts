import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/** A file without a name: written at its end by one, read anywhere by many, and gone when the last of them
 *  has released it, or the process has ended. */
export class SpoolFile {
  readonly #file: FileHandle
  #users = 1
  #size = 0

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /** @throws Error of the system */
  static async open(folder: string): Promise<SpoolFile> {
    const path = join(folder, `.entrepot-spool-${randomUUID()}`)
    const file = await open(path, 'wx+', 0o600)
    await unlink(path)
    return new SpoolFile(file)
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size
  }

  /** Appends chunks; one call at a time. */
  async append(chunks: readonly Uint8Array[]): Promise<void> {
    for (const chunk of chunks) {
      for (let written = 0; written < chunk.length; ) {
        const { bytesWritten } = await this.#file.write(chunk, written, chunk.length - written, this.#size)
        written += bytesWritten
        this.#size += bytesWritten
      }
    }
  }

  /** @returns how many bytes were read; 0 at the end */
  async read(buffer: Uint8Array, position: number): Promise<number> {
    return (await this.#file.read(buffer, 0, buffer.length, position)).bytesRead
  }

  /** For another user, who releases it as well. */
  retain(): void {
    this.#users++
  }

  async release(): Promise<void> {
    if (--this.#users === 0) await this.#file.close()
  }
}
