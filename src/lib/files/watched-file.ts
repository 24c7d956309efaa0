import type { Log } from '../../core/log.ts'
import { type FileContent, FileWatch, readFiles } from './file-watch.ts'

export interface WatchedFileOptions<Content> {
  readonly path: string
  /** Which key of the configuration names it. */
  readonly key: string
  /** Throws, with a message for its owner, if the text is none, or may not take the place of what it said before.
   *  @param previous what is in force; undefined when it is read first */
  readonly parse: (text: string, previous: Content | undefined) => Content
  /** What counts if there is no file when it is read first; without it a missing file is an error. */
  readonly absent?: Content
  /** What the log says of a content that counts now. */
  readonly describe?: (content: Content) => object
  readonly log: Log
  readonly onChange?: () => void
}

/** A file that counts as it stands now: it is read again when it has changed and stood still (`FileWatch`). While it is
 *  missing, can't be read, or makes no sense, what it said before stays in force and the log says so. */
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

  /** @throws Error when it can't be read, or makes no sense */
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

  /** Looks whether it has changed, and waits until it stands still, for 2 s at most; to be called before its content
   *  keeps somebody out. */
  refresh(): Promise<void> {
    return this.#watch.refresh()
  }

  /** Reads it at once: for those who know that nobody is writing it, because they hold the lock that writers take. */
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
        'read again, because it has changed',
      )
    } catch (error) {
      log.error({ key, path, reason: messageOf(error) }, 'cannot be used; what it said before stays in force')
      return
    }
    onChange?.()
  }
}

/** @throws NodeJS.ErrnoException if it could not be read */
function textIn(bytes: FileContent): string {
  if (bytes instanceof Error) throw bytes
  return bytes.toString()
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
