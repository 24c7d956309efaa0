import { isPathNotFound } from '../core/errors.ts'
import type { FileInfo, StorageDriver } from '../core/storage-driver.ts'

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

/** Size and time of a file. Undefined if it does not exist.
 *  @throws StorageError for every other reason */
export async function statIfPresent(
  storage: Pick<StorageDriver, 'stat'>,
  path: string,
): Promise<FileInfo | undefined> {
  try {
    return await storage.stat(path)
  } catch (error) {
    if (isPathNotFound(error)) return undefined
    throw error
  }
}
