import type { ScannedFile, StorageDriver } from '../../core/storage-driver.ts'
import { HISTORY } from '../paths.ts'
import { isRecordId } from './records.ts'
import { Trash } from './trash.ts'

export interface UpkeepOptions {
  readonly storage: StorageDriver
  /** Changes that are kept for each tag. */
  readonly entries: number
  /** Changes that are older go, in milliseconds. */
  readonly ageMs: number
  /** By the storage's clock. */
  readonly now: Date
  readonly signal?: AbortSignal | undefined
}

const CHANGE = new RegExp(`^(${HISTORY}/.+/_tags/[^/]+)/([^/]+)$`)

/** Removes changes that are old or too many, and deletions that can't be undone any more. Any number of processes may do so at the
 *  same time. */
export async function tidyHistory(options: UpkeepOptions): Promise<{ changes: number; deletions: number }> {
  return { changes: await removeChanges(options), deletions: await removeDeletions(options) }
}

/** The changes of a tag stand together, the oldest first. */
async function removeChanges({ storage, entries, ageMs, now, signal }: UpkeepOptions): Promise<number> {
  let removed = 0
  let folder = ''
  let kept: string[] = []
  const oldest = new Date(now.getTime() - ageMs)
  const look = async ({ path, modifiedAt }: ScannedFile) => {
    const [, place, id = ''] = CHANGE.exec(path) ?? []
    if (place === undefined || !isRecordId(id)) return
    if (place !== folder) [folder, kept] = [place, []]
    kept.push(path)
    const gone = modifiedAt < oldest ? kept.pop() : kept.length > entries ? kept.shift() : undefined
    if (gone === undefined) return
    await storage.delete(gone, { durable: false })
    removed++
  }
  for await (const files of storage.scan(HISTORY)) {
    signal?.throwIfAborted()
    for (const file of files) await look(file)
  }
  return removed
}

async function removeDeletions({ storage, now, signal }: UpkeepOptions): Promise<number> {
  const trash = new Trash(storage)
  let removed = 0
  for await (const deletions of trash.all()) {
    signal?.throwIfAborted()
    for (const deletion of deletions) {
      if (deletion.until > now) continue
      await trash.remove(deletion)
      removed++
    }
  }
  return removed
}
