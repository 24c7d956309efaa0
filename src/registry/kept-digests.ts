/** The digests of an upload's bytes so far, in a file beside them, so that whoever finishes it need not read them again.
 *  It is only a shortcut: one that lags behind or makes no sense counts as absent. */

import { algorithmOf, CANONICAL, isDigest } from '../core/digest.ts'
import { isPathNotFound } from '../core/errors.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { UploadPaths } from './paths.ts'
import type { KnownDigests } from './upload-sessions.ts'

export function keepDigests(storage: StorageDriver, paths: UploadPaths, known: KnownDigests): Promise<void> {
  return storage.put(paths.digests, Buffer.from(JSON.stringify(known)), { durable: false })
}

export async function keptDigests(
  storage: StorageDriver,
  paths: UploadPaths,
): Promise<KnownDigests | undefined> {
  try {
    return parseKnownDigests(Buffer.from(await storage.get(paths.digests)).toString())
  } catch (error) {
    if (isPathNotFound(error)) return undefined
    throw error
  }
}

/** Undefined for anything that is not what `keepDigests` wrote. */
function parseKnownDigests(text: string): KnownDigests | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const { size, digests } = (value ?? {}) as Partial<KnownDigests>
  if (!Number.isSafeInteger(size) || !Array.isArray(digests) || !digests.every(isDigest)) return undefined
  return digests.some((digest) => algorithmOf(digest) === CANONICAL)
    ? { size: size as number, digests }
    : undefined
}
