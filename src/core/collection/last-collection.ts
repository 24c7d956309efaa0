import { isPathNotFound } from '../errors.ts'
import type { StorageDriver } from '../storage-driver.ts'
import { COLLECTIONS } from './collection-state.ts'

/** The last garbage collection that came to its end, in whichever process. */
export interface LastCollection {
  /** RFC 3339. */
  readonly startedAt: string
  readonly endedAt: string
  readonly deletedBlobs: number
  readonly deletedBytes: number
  readonly removedManifests: number
  /** Manifests that could not be read. */
  readonly findings: number
}

const PATH = `${COLLECTIONS}/last`
const COUNTS = ['deletedBlobs', 'deletedBytes', 'removedManifests', 'findings'] as const

export async function writeLastCollection(storage: StorageDriver, last: LastCollection): Promise<void> {
  await storage.put(PATH, Buffer.from(JSON.stringify(last)), { durable: false })
}

/** Undefined if there was none, or it is not readable. */
export async function readLastCollection(storage: StorageDriver): Promise<LastCollection | undefined> {
  try {
    const last = JSON.parse(Buffer.from(await storage.get(PATH)).toString()) as LastCollection
    const isWhole =
      COUNTS.every((count) => Number.isSafeInteger(last[count])) &&
      [last.startedAt, last.endedAt].every((time) => typeof time === 'string' && Date.parse(time) > 0)
    return isWhole ? last : undefined
  } catch (error) {
    if (isPathNotFound(error) || error instanceof SyntaxError) return undefined
    throw error
  }
}
