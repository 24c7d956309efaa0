import type { KeyPage } from '../object-store/children.ts'
import type { ListedObject } from '../object-store/scanned.ts'
import type { Bucket } from './bucket.ts'
import { isFile } from './object-info.ts'

/** The files below a prefix, in byte order, page by page.
 *  @param startOffset only keys from this one on */
export async function* listedObjects(
  bucket: Bucket,
  { prefix, startOffset }: { prefix: string; startOffset: string | undefined },
): AsyncIterable<ListedObject[]> {
  for await (const { items } of bucket.pages({ prefix, startOffset })) {
    yield items.filter(isFile).map(({ name: key = '', size, updated = '' }) => ({
      key,
      size: Number(size),
      modifiedAt: new Date(updated),
    }))
  }
}

/** The names of files and folders directly below a prefix, page by page.
 *  @param after only names from this one on; '' for all */
export async function* childKeys(
  bucket: Bucket,
  { prefix, after }: { prefix: string; after: string },
): AsyncIterable<KeyPage> {
  const startOffset = after === '' ? undefined : prefix + after
  for await (const { items, prefixes } of bucket.pages({ prefix, delimiter: '/', startOffset })) {
    const files = items.filter(isFile).map(({ name = '' }) => name)
    const keys = [...files, ...prefixes].sort().map((key) => key.slice(prefix.length))
    yield { keys }
  }
}
