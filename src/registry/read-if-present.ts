import { isPathNotFound } from '../core/errors.ts'
import type { StorageDriver } from '../core/storage-driver.ts'

/** Reads a small file. Undefined if it does not exist.
 *  @throws StorageError for every other reason: an outage must not look like an absence */
export async function readIfPresent(
  storage: Pick<StorageDriver, 'get'>,
  path: string,
): Promise<Buffer | undefined> {
  try {
    const { buffer, byteOffset, byteLength } = await storage.get(path)
    return Buffer.from(buffer, byteOffset, byteLength)
  } catch (error) {
    if (isPathNotFound(error)) return undefined
    throw error
  }
}
