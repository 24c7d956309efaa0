import { type Digest, hexOf } from '../digest.ts'
import { isPathNotFound } from '../errors.ts'
import type { StorageDriver } from '../storage-driver.ts'

/** Blobs that were taken out of the pool, by the day of it: `<yyyy-mm-dd>/<hex of the digest>`. Distribution looks at none of it. */
const QUARANTINE = '/docker/registry/v2/quarantine'

const DAY_MS = 24 * 3_600_000

/** How long a blob stays there. */
export const QUARANTINE_MS = 30 * DAY_MS

/** A place for blobs that must not be served, and are kept for a while all the same. */
export class Quarantine {
  readonly #storage: StorageDriver

  constructor(storage: StorageDriver) {
    this.#storage = storage
  }

  /** Where a blob is kept that is taken out of the pool at a time. */
  pathOf(digest: Digest, at: Date): string {
    return `${QUARANTINE}/${dayOf(at)}/${hexOf(digest)}`
  }

  /** The places where a blob is kept, the newest first. */
  async find(digest: Digest): Promise<string[]> {
    const found: string[] = []
    for (const day of (await this.#days()).reverse()) {
      const path = `${QUARANTINE}/${day}/${hexOf(digest)}`
      if (await isFile(this.#storage, path)) found.push(path)
    }
    return found
  }

  /** Removes what was put there longer ago than `QUARANTINE_MS`.
   *  @param now within some hours */
  async expire(now: Date): Promise<void> {
    const first = dayOf(new Date(now.getTime() - QUARANTINE_MS))
    for (const day of await this.#days()) {
      if (day < first) await this.#storage.delete(`${QUARANTINE}/${day}`, { durable: false })
    }
  }

  async #days(): Promise<string[]> {
    const days: string[] = []
    for await (const { name } of this.#storage.list(QUARANTINE))
      if (/^\d{4}-\d\d-\d\d$/.test(name)) days.push(name)
    return days
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
