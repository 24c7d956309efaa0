import { CANONICAL, type Digest, Digester } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'

export interface CheckOptions {
  /** Called for each chunk that is read; may wait. */
  readonly onRead?: ((bytes: number) => Promise<void> | void) | undefined
  readonly signal?: AbortSignal | undefined
}

export type BytesCondition = 'intact' | 'damaged' | 'missing'

/** Reads a file, past every cache, and compares it with its digest.
 *  @param digest canonical
 *  @throws StorageError if it can't be read */
export async function checkBytes(
  storage: StorageDriver,
  { path, digest }: { path: string; digest: Digest },
  { onRead, signal }: CheckOptions = {},
): Promise<BytesCondition> {
  const digester = new Digester(CANONICAL)
  try {
    for await (const chunk of storage.read(path, signal && { signal })) {
      digester.update(chunk)
      await onRead?.(chunk.length)
    }
  } catch (error) {
    if (!isPathNotFound(error)) throw error
    return 'missing'
  }
  return digester.digest() === digest ? 'intact' : 'damaged'
}
