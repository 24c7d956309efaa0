import type { Log } from '../../core/log.ts'
import { type FileContent, FileWatch, readFiles } from './file-watch.ts'

export interface WatchedFileOptions<Content> {
  readonly path: string
  /** The configuration key that names the file. */
  readonly key: string
  /** Parses the text. Throws, with a message for the operator, if it is malformed or may not replace the
   *  previous content.
   *  @param previous the content in use; undefined at the first reading */
  readonly parse: (text: string, previous: Content | undefined) => Content
  /** The content if the file is missing at the first reading; without it a missing file is an error. */
  readonly absent?: Content
  /** Log fields for content that is now in use. */
  readonly describe?: (content: Content) => object
  readonly log: Log
  readonly onChange?: () => void
}

/** A file whose content is used as it changes: it is read again when it has changed and is stable
 *  (`FileWatch`). If it is missing, unreadable or malformed, the previous content stays in use and a warning
 *  is logged. */
export class WatchedFile<Content> {
  readonly #options: WatchedFileOptions<Content>
  readonly #watch: FileWatch
  #content: Content

  private constructor(options: WatchedFileOptions<Content>, read: { bytes: FileContent; content: Content }) {
    this.#options = options
    this.#content = read.content
    this.#watch = new FileWatch({
      paths: [options.path],
      known: [read.bytes],
      onChange: ([bytes]) => this.#renew(bytes as FileContent),
      log: options.log,
    })
  }

  /** Reads the file and starts to watch it.
   *  @throws Error if it can't be read, or is malformed */
  static async open<Content>(options: WatchedFileOptions<Content>): Promise<WatchedFile<Content>> {
    const { path, key, parse, absent } = options
    const [bytes] = (await readFiles([path])) as [FileContent]
    try {
      if (absent !== undefined && (bytes as NodeJS.ErrnoException).code === 'ENOENT')
        return new WatchedFile(options, { bytes, content: absent })
      return new WatchedFile(options, { bytes, content: parse(textIn(bytes), undefined) })
    } catch (cause) {
      throw new Error(`${key}: ${path}: ${messageOf(cause)}`, { cause })
    }
  }

  get content(): Content {
    return this.#content
  }

  /** Checks for a change, and waits for at most 2 s until the file is stable. Must be called before its
   *  content rejects a client. */
  refresh(): Promise<void> {
    return this.#watch.refresh()
  }

  /** Reads it at once. The caller must hold the lock that writers take. */
  readNow(): Promise<void> {
    return this.#watch.readNow()
  }

  close(): void {
    this.#watch.close()
  }

  #renew(bytes: FileContent): void {
    const { path, key, parse, describe = () => ({}), log, onChange } = this.#options
    try {
      const before = this.#content
      this.#content = parse(textIn(bytes), before)
      log.info(
        { key, path, ...describe(this.#content), before: describe(before) },
        'reloaded, because it has changed',
      )
    } catch (error) {
      log.error({ key, path, reason: messageOf(error) }, 'is unusable; its previous content stays in use')
      return
    }
    onChange?.()
  }
}

/** Decodes the content.
 *  @throws NodeJS.ErrnoException if it could not be read */
function textIn(bytes: FileContent): string {
  if (bytes instanceof Error) throw bytes
  return bytes.toString()
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
