import type { ScannedFile } from '../../core/storage-driver.ts'
import { JOURNAL, padded } from './paths.ts'

/** A file of a journal, as a listing shows it. */
export interface JournalFile {
  readonly path: string
  /** Names the journal. */
  readonly mark: string
  readonly number: number
  /** By the storage's clock, in milliseconds since 1970. */
  readonly at: number
}

const FILE = new RegExp(`^${JOURNAL}/([^/]+)/(\\d+)$`)

/** Undefined if it is none. */
export function parseJournalFile({ path, modifiedAt }: ScannedFile): JournalFile | undefined {
  const [, mark, number] = FILE.exec(path) ?? []
  return mark === undefined ? undefined : { path, mark, number: Number(number), at: modifiedAt.getTime() }
}

export function journalFilePath(mark: string, number: number): string {
  return `${JOURNAL}/${mark}/${padded(number)}`
}

/** How far a journal was read. */
export interface ReadingPosition {
  /** The number of the file that comes next. */
  readonly next: number
  /** The time of the last file. */
  readonly lastAt: number
  /** The number of a file that a listing did not show although a later one was there. */
  missing: number | undefined
}

/** The new files of one journal in order, up to one that is missing. A listing may miss a file that is written meanwhile and show the
 *  next one; another listing shows whether it is there, for it was written before.
 *  @returns `isMore` if another listing is needed. No file has an earlier time than the one before */
export function filesUntilMissing(
  position: ReadingPosition,
  files: readonly JournalFile[],
): { readonly readable: readonly JournalFile[]; readonly isMore: boolean } {
  const readable: JournalFile[] = []
  let { next: expected, lastAt: at } = position
  for (const file of files.toSorted((one, other) => one.number - other.number)) {
    if (file.number !== expected && position.missing !== expected) {
      position.missing = expected
      return { readable, isMore: true }
    }
    at = Math.max(at, file.at)
    readable.push({ ...file, at })
    expected = file.number + 1
  }
  return { readable, isMore: false }
}
