/** Whose an upload is, in a file beside its bytes: any replica knows it, and Distribution passes it by. */

import { isPathNotFound } from '../core/errors.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { UploadPaths } from './paths.ts'

interface Ownership {
  readonly paths: UploadPaths
  readonly owner: string
}

export function writeOwner(storage: StorageDriver, { paths, owner }: Ownership): Promise<void> {
  return storage.put(paths.owner, Buffer.from(owner), { durable: false })
}

/** An upload without the file was begun by Distribution, or before there was access control: it is nobody's, and its id
 *  is as secret as it is there. A file that a power cut left empty names nobody. */
export async function isOwner(storage: StorageDriver, { paths, owner }: Ownership): Promise<boolean> {
  try {
    return Buffer.from(await storage.get(paths.owner)).toString() === owner
  } catch (error) {
    if (isPathNotFound(error)) return true
    throw error
  }
}
