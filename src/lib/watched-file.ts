import { unwatchFile, watchFile } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import type { Log } from '../core/log.ts'

export interface WatchedFileOptions<Content> {
  readonly path: string
  /** Which key of the configuration names it. */
  readonly key: string
  /** Throws, with a message for its owner, when the text is none. */
  readonly parse: (text: string) => Content
  /** What counts while there is no file; without it a missing file is an error. */
  readonly absent?: Content
  readonly log: Log
  readonly onChange?: () => void
}

/** How long a change may go unnoticed by those who don't ask. */
const POLL_MS = 1000

/** A file that counts as it stands now: it is read again when it has changed. While it can't be read, or makes no sense,
 *  what it said before stays in force and the log says so. */
export class WatchedFile<Content> {
  readonly #options: WatchedFileOptions<Content>
  readonly #poll = () => void this.refresh()
  #content: Content
  #version: string
  #refreshing: Promise<void> | undefined

  private constructor(options: WatchedFileOptions<Content>, { content, version }: Reading<Content>) {
    this.#options = options
    this.#content = content
    this.#version = version
    watchFile(options.path, { interval: POLL_MS, persistent: false }, this.#poll)
  }

  /** @throws Error when it can't be read, or makes no sense */
  static async open<Content>(options: WatchedFileOptions<Content>): Promise<WatchedFile<Content>> {
    try {
      return new WatchedFile(options, await read(options))
    } catch (cause) {
      throw new Error(`${options.key}: ${options.path}: ${messageOf(cause)}`, { cause })
    }
  }

  get content(): Content {
    return this.#content
  }

  /** Looks whether it has changed; to be called before its content keeps somebody out. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  close(): void {
    unwatchFile(this.#options.path, this.#poll)
  }

  async #refresh(): Promise<void> {
    const { path, key, log, onChange } = this.#options
    const version = await versionOf(path)
    if (version === this.#version) return
    this.#version = version
    try {
      this.#content = (await read(this.#options)).content
      log.info({ key, path }, 'read again, because it has changed')
      onChange?.()
    } catch (error) {
      log.error({ key, path, reason: messageOf(error) }, 'cannot be used; what it said before stays in force')
    }
  }
}

interface Reading<Content> {
  readonly content: Content
  readonly version: string
}

async function read<Content>(options: WatchedFileOptions<Content>): Promise<Reading<Content>> {
  const { path, parse, absent } = options
  // Before the content: a change in between is then seen as one.
  const version = await versionOf(path)
  try {
    return { content: parse(await readFile(path, 'utf8')), version }
  } catch (error) {
    if (absent !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT')
      return { content: absent, version }
    throw error
  }
}

/** Different whenever the file is, also when another was put in its place within a tick of the clock. */
async function versionOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch (error) {
    return messageOf(error)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
