import { randomUUID } from 'node:crypto'
import { constants, type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/** A file without a name: written at its end, read anywhere, and gone when it is closed or the process has
 *  ended. */
export class SpoolFile {
  readonly #file: FileHandle
  #size = 0

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /** @throws Error of the system */
  static async open(folder: string): Promise<SpoolFile> {
    return new SpoolFile((await openUnnamed(folder)) ?? (await openNamed(folder)))
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

  close(): Promise<void> {
    return this.#file.close()
  }
}

/** O_TMPFILE of Linux, open(2). */
const UNNAMED = 0o20000000 | constants.O_DIRECTORY

/** What systems and file systems that have no such files answer. */
const NOT_SUPPORTED: ReadonlySet<string | undefined> = new Set(['EOPNOTSUPP', 'EISDIR', 'EINVAL', 'ENOENT'])

/** A file that never has a name, so that nothing is left of it whenever the process ends. Undefined if there
 *  are none here. */
async function openUnnamed(folder: string): Promise<FileHandle | undefined> {
  if (process.platform !== 'linux') return undefined
  try {
    return await open(folder, UNNAMED | constants.O_RDWR, 0o600)
  } catch (error) {
    if (NOT_SUPPORTED.has((error as NodeJS.ErrnoException).code)) return undefined
    throw error
  }
}

async function openNamed(folder: string): Promise<FileHandle> {
  const path = join(folder, `.entrepot-spool-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}
