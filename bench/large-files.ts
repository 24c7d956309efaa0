import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'

const LARGE_BYTES = 256 * 1024

/** Gives the space of large files back. Their names stay: ext4 without a journal looks for a new file's inode past all that
 *  were freed in the last minutes, so what is removed after one measurement slows down the next. */
export function emptyLargeFiles(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    // Workers of a server that was ended may still remove what they have set aside.
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
    if (size > LARGE_BYTES) truncateSync(file)
  }
}
