import { dirname } from 'node:path'
import { fdatasync } from './calls/descriptors.ts'
import type { FileCalls } from './calls/file-calls.ts'
import type { Folders } from './folders.ts'
import { temporaryFor } from './temporary-name.ts'

export interface NewContent {
  readonly content: Uint8Array
  readonly durable: boolean
  /** Must be fulfilled before the content becomes visible. */
  readonly after?: Promise<unknown> | undefined
  /** True if nobody looks for the file before its content is complete. */
  readonly isNew?: boolean
}

/** Writes small files as a whole. */
export class NewFiles {
  readonly #folders: Folders
  readonly #calls: FileCalls

  constructor(folders: Folders, calls: FileCalls) {
    this.#folders = folders
    this.#calls = calls
  }

  /** Creates or replaces a file: writes the content, then its name, unless nobody looks for it. Meanwhile the folders
   *  above are made durable. */
  async replace(file: string, { content, durable, after, isNew }: NewContent): Promise<void> {
    const folder = dirname(file)
    const begun = isNew ? file : temporaryFor(file)
    const fd = await this.#calls.create(begun)
    const aboveNew = durable ? this.#folders.syncAboveNew(folder) : undefined
    try {
      await this.#fillAndClose(fd, { content, durable })
      await after
      if (begun !== file) await this.#calls.rename(begun, file)
    } catch (cause) {
      await this.#calls.unlink(begun).catch(() => undefined)
      throw cause
    }
    if (durable) await this.#folders.secure(folder, aboveNew)
  }

  /** Creates a file with durable content; its name is not durable yet.
   *  @throws Error of the system, `EEXIST` if there is one */
  async create(file: string, content: Uint8Array): Promise<void> {
    await this.#fillAndClose(await this.#calls.create(file), { content, durable: true })
  }

  /** Creates a folder if needed, and a file in it that is removed again.
   *  @throws Error of the system if that is not possible */
  async probe(folder: string): Promise<void> {
    const probe = temporaryFor(folder === '/' ? '/probe' : `${folder}/probe`)
    await this.#calls.close(await this.#folders.within(folder, () => this.#calls.create(probe)))
    await this.#calls.unlink(probe)
    await this.#folders.secure(folder)
  }

  async #fillAndClose(
    fd: number,
    { content, durable }: Pick<NewContent, 'content' | 'durable'>,
  ): Promise<void> {
    try {
      await this.#calls.fill(fd, content)
      if (durable) await fdatasync(fd)
    } finally {
      await this.#calls.close(fd)
    }
  }
}
