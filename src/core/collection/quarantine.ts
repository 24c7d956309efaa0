import { type Digest, hexOf, isDigest } from '../digest.ts'
import { isPathNotFound } from '../errors.ts'
import type { StorageDriver } from '../storage-driver.ts'

/** Blobs outside of the pool, below the day they were put there: `<yyyy-mm-dd>/<hex of the digest>` if they are
 *  damaged, `<yyyy-mm-dd>-collected/…` if a garbage collection has taken them out. Distribution looks at none
 *  of it. */
const QUARANTINE = '/docker/registry/v2/quarantine'

const DAY_MS = 24 * 3_600_000

/** How long a blob stays there at least. */
export const QUARANTINE_MS = 30 * DAY_MS

/** Why a blob is in quarantine. The bytes of a collected one are those that the pool had. */
export type QuarantineReason = 'damaged' | 'collected'

export interface QuarantinedBlob {
  readonly path: string
  readonly reason: QuarantineReason
}

const FOLDERS: Record<QuarantineReason, RegExp> = {
  damaged: /^\d{4}-\d\d-\d\d$/,
  collected: /^\d{4}-\d\d-\d\d-collected$/,
}

/** A place for blobs that are not served, and are kept for a while all the same. */
export class Quarantine {
  readonly #storage: StorageDriver

  constructor(storage: StorageDriver) {
    this.#storage = storage
  }

  /** The path of a blob that leaves the pool at a time. */
  pathOf(digest: Digest, { at, reason }: { at: Date; reason: QuarantineReason }): string {
    return `${QUARANTINE}/${dayOf(at)}${reason === 'collected' ? '-collected' : ''}/${hexOf(digest)}`
  }

  /** Where a blob is kept, the newest first.
   *  @param only default: whatever the reason */
  async *find(digest: Digest, only?: QuarantineReason): AsyncIterable<QuarantinedBlob> {
    for (const folder of (await this.#folders(only)).reverse()) {
      const path = `${QUARANTINE}/${folder}/${hexOf(digest)}`
      const reason = FOLDERS.collected.test(folder) ? 'collected' : 'damaged'
      if (await isFile(this.#storage, path)) yield { path, reason }
    }
  }

  /** The collected blobs with their paths, a page at a time, the oldest first. A digest may come more than
   *  once. */
  async *collected(): AsyncIterable<readonly { readonly digest: Digest; readonly path: string }[]> {
    for (const folder of await this.#folders('collected')) {
      for await (const files of this.#storage.scan(`${QUARANTINE}/${folder}`)) {
        yield files.flatMap(({ path }) => {
          const digest = `sha256:${path.slice(path.lastIndexOf('/') + 1)}`
          return isDigest(digest) ? [{ digest, path }] : []
        })
      }
    }
  }

  /** Removes what was put there longer ago than `QUARANTINE_MS`.
   *  @param now within some hours */
  async expire(reason: QuarantineReason, now: Date): Promise<void> {
    const first = dayOf(new Date(now.getTime() - QUARANTINE_MS))
    for (const folder of await this.#folders(reason)) {
      if (folder.slice(0, first.length) < first)
        await this.#storage.delete(`${QUARANTINE}/${folder}`, { durable: false })
    }
  }

  /** In order of the days. */
  async #folders(reason?: QuarantineReason): Promise<string[]> {
    const reasons = reason === undefined ? Object.values(FOLDERS) : [FOLDERS[reason]]
    const folders: string[] = []
    for await (const { name } of this.#storage.list(QUARANTINE))
      if (reasons.some((pattern) => pattern.test(name))) folders.push(name)
    return folders
  }
}

function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10)
}

async function isFile(storage: StorageDriver, path: string): Promise<boolean> {
  try {
    return (await storage.stat(path)).kind === 'file'
  } catch (error) {
    if (isPathNotFound(error)) return false
    throw error
  }
}
