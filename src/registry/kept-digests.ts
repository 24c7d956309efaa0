/** What is kept beside an upload's bytes, so that whoever goes on with it or finishes it, in whatever process, need not read
 *  them again: their digests, and the version of the file that these are of. It is only a shortcut: where it makes no
 *  sense, or the storage does not know the version any more, it counts as absent. */

import { algorithmOf, CANONICAL, isDigest } from '../core/digest.ts'
import { isPathNotFound } from '../core/errors.ts'
import type { FileVersion, StorageDriver } from '../core/storage-driver.ts'
import type { UploadPaths } from './paths.ts'
import type { KnownDigests } from './upload-sessions.ts'

/** No digests at all where nobody has computed them. */
export interface KeptDigests extends KnownDigests {
  readonly version: FileVersion
}

export function keepDigests(storage: StorageDriver, paths: UploadPaths, kept: KeptDigests): Promise<void> {
  return storage.put(paths.digests, Buffer.from(JSON.stringify(kept)), { durable: false })
}

export async function keptDigests(
  storage: StorageDriver,
  paths: UploadPaths,
): Promise<KeptDigests | undefined> {
  try {
    return parseKeptDigests(Buffer.from(await storage.get(paths.digests)).toString())
  } catch (error) {
    if (isPathNotFound(error)) return undefined
    throw error
  }
}

/** Undefined for anything that is not what `keepDigests` wrote. */
function parseKeptDigests(text: string): KeptDigests | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const { size, digests, version } = (value ?? {}) as Partial<KeptDigests>
  if (!Number.isSafeInteger(size) || typeof version !== 'string') return undefined
  if (!Array.isArray(digests) || !digests.every(isDigest)) return undefined
  const isKnown = digests.length === 0 || digests.some((digest) => algorithmOf(digest) === CANONICAL)
  return isKnown ? { size: size as number, digests, version } : undefined
}
