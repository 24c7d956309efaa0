import type { ScannedFile } from '../../core/storage-driver.ts'
import { decodeLines, type JournalRecord } from './journal-record.ts'
import { JOURNAL, padded } from './paths.ts'

/** A file of a journal, as a listing shows it. */
export interface JournalFile {
  readonly path: string
  /** Names the journal. */
  readonly mark: string
  readonly number: number
  /** True if its process may add to it. */
  readonly grows: boolean
  /** In bytes. */
  readonly size: number
  /** By the storage's clock, in milliseconds since 1970. */
  readonly at: number
  /** True if the listing has shown no later file that can be read. */
  readonly isLast?: boolean
}

/** A place in a journal: all records before it were read. */
export interface JournalPosition {
  readonly file: number
  /** In bytes. */
  readonly offset: number
}

/** Records that were written together. */
export interface JournalBatch {
  /** By the storage's clock, in milliseconds since 1970. */
  readonly at: number
  readonly records: readonly JournalRecord[]
}

const FILE = new RegExp(`^${JOURNAL}/([^/]+)/(\\d+)(\\.log)?$`)
const LINE_FEED = 10

/** Undefined if it is none. */
export function parseJournalFile({ path, size, modifiedAt }: ScannedFile): JournalFile | undefined {
  const [, mark, number, growing] = FILE.exec(path) ?? []
  if (mark === undefined) return undefined
  return { path, mark, number: Number(number), grows: growing !== undefined, size, at: modifiedAt.getTime() }
}

export function journalFilePath(mark: string, number: number): string {
  return `${JOURNAL}/${mark}/${padded(number)}`
}

export function growingFilePath(mark: string, number: number): string {
  return `${journalFilePath(mark, number)}.log`
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
 *  @param files may begin with the one that was read last, if it grows
 *  @returns `isMore` if another listing is needed. No file has an earlier time than the one before */
export function filesUntilMissing(
  position: ReadingPosition,
  files: readonly JournalFile[],
): { readonly readable: readonly JournalFile[]; readonly isMore: boolean } {
  const readable: JournalFile[] = []
  let { next: expected, lastAt: at } = position
  for (const file of files.toSorted((one, other) => one.number - other.number)) {
    if (file.number > expected && position.missing !== expected) {
      position.missing = expected
      return { readable, isMore: true }
    }
    at = Math.max(at, file.at)
    readable.push({ ...file, at })
    expected = file.number + 1
  }
  return { readable, isMore: false }
}

/** What a file has from an offset on. What is added to the last one after the listing has no time yet, and is left.
 *  @returns the batches, and where the next one begins */
export function readBatches(
  { at, size, grows, isLast }: JournalFile,
  content: Uint8Array,
  offset: number,
): { readonly batches: readonly JournalBatch[]; readonly end: number } {
  const shown = grows && isLast ? content.subarray(0, size) : content
  const end = grows ? Math.max(offset, shown.lastIndexOf(LINE_FEED) + 1) : shown.byteLength
  const batches: JournalBatch[] = []
  let records: JournalRecord[] = []
  for (const record of decodeLines<JournalRecord>(shown.subarray(offset, end))) {
    if ('before' in record) {
      batches.push({ at: record.before, records })
      records = []
    } else records.push(record)
  }
  batches.push({ at, records })
  return { batches, end }
}
