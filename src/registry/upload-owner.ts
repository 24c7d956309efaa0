/** Whose an upload is, in a file beside its bytes: any replica knows it, and Distribution passes it by. */

import { isPathNotFound } from '../core/errors.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { UploadPaths } from './paths.ts'

/** What was found out about an upload's owner. */
export interface KnownOwner {
  /** Undefined where it has none: an upload without the file was begun by Distribution, or before there was access
   *  control. It is nobody's, and its id is as secret as it is there. */
  readonly name: string | undefined
}

export function writeOwner(
  storage: StorageDriver,
  { paths, owner }: { paths: UploadPaths; owner: string },
): Promise<void> {
  return storage.put(paths.owner, Buffer.from(owner), { durable: false })
}

/** A file that a power cut left empty names nobody. */
export async function readOwner(storage: StorageDriver, paths: UploadPaths): Promise<KnownOwner> {
  try {
    return { name: Buffer.from(await storage.get(paths.owner)).toString() }
  } catch (error) {
    if (isPathNotFound(error)) return { name: undefined }
    throw error
  }
}

/** True when the upload may be continued by whoever asks: `asking` is undefined where nobody is kept from it.
 *  @param owner undefined where it was not looked at: that lets nobody in who has to be its owner */
export function mayContinue(owner: KnownOwner | undefined, asking: string | undefined): boolean {
  if (asking === undefined) return true
  return owner !== undefined && (owner.name === undefined || owner.name === asking)
}
