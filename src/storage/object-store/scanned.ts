import type { ScannedFile, ScanOptions } from '../../core/storage-driver.ts'
import { isPath } from '../path.ts'

/** An object as a listing shows it. */
export interface ListedObject {
  readonly key: string
  readonly size: number
  readonly modifiedAt: Date
}

/** The files of listed objects, in order.
 *  @param root prefix of every key */
export async function* scannedFiles(
  pages: AsyncIterable<readonly ListedObject[]>,
  { root, after = '' }: ScanOptions & { root: string },
): AsyncIterable<readonly ScannedFile[]> {
  for await (const page of pages) {
    const files: ScannedFile[] = []
    for (const { key, size, modifiedAt } of page) {
      const path = `/${key.slice(root.length)}`
      if (path > after && isPath(path)) files.push({ path, size, modifiedAt })
    }
    if (files.length > 0) yield files
  }
}
