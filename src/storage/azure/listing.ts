import type { ContainerClient } from '@azure/storage-blob'
import type { KeyPage } from '../object-store/children.ts'

/** "List Blobs": the service's largest page. */
const MAX_PAGE = 5_000

/** The names directly below a prefix, in the service's order. The SDK separates blobs and folders. */
export async function* pagesOf(container: ContainerClient, prefix: string): AsyncIterable<KeyPage> {
  const pages = container.listBlobsByHierarchy('/', { prefix }).byPage({ maxPageSize: MAX_PAGE })
  for await (const { segment } of pages) {
    const children = [...segment.blobItems, ...(segment.blobPrefixes ?? [])]
    yield { keys: children.map(({ name }) => name.slice(prefix.length)).sort() }
  }
}

export interface ListedBlob {
  readonly name: string
  /** In bytes. */
  readonly size: number
  readonly modifiedAt: Date
}

/** All blobs below a prefix, at any depth, a page at a time. */
export async function* pagesBelow(
  container: ContainerClient,
  prefix: string,
  maxPageSize = MAX_PAGE,
): AsyncIterable<ListedBlob[]> {
  for await (const { segment } of container.listBlobsFlat({ prefix }).byPage({ maxPageSize })) {
    yield segment.blobItems.map(({ name, properties }) => ({
      name,
      size: properties.contentLength ?? 0,
      modifiedAt: properties.lastModified,
    }))
  }
}

/** True if any blob is below the prefix. A page may be empty though more follow. */
export async function isAnyBelow(container: ContainerClient, prefix: string): Promise<boolean> {
  for await (const page of pagesBelow(container, prefix, 1)) if (page.length > 0) return true
  return false
}

/** The service's time.
 *  @throws the SDK's errors */
export async function serviceTime(container: ContainerClient, prefix: string): Promise<Date | undefined> {
  for await (const { date } of container.listBlobsFlat({ prefix }).byPage({ maxPageSize: 1 })) return date
  return undefined
}
