import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileTree } from './file-tree.ts'

const CHUNK_BYTES = 256 * 1024

/** The files of a folder. */
export class FolderTree implements FileTree {
  readonly name: string
  readonly #path: string

  constructor(path: string, name = path) {
    this.#path = path
    this.name = name
  }

  async size(path: string): Promise<number | undefined> {
    try {
      const status = await stat(join(this.#path, path))
      return status.isFile() ? status.size : undefined
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw error
    }
  }

  open(path: string, start: number): AsyncIterable<Uint8Array> {
    return createReadStream(join(this.#path, path), { start, highWaterMark: CHUNK_BYTES })
  }
}
