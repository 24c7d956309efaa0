import type { ContainerClient } from '@azure/storage-blob'
import type { KeyPage } from '../object-store/children.ts'

/** "List Blobs": the most that the service gives at once. */
const MAX_PAGE = 5_000

/** The names right below a prefix, in the order of the service, which the SDK tells apart as blobs and folders. */
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

/** All that stand below a prefix, at whatever depth, a page at a time. */
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

/** A page may be empty though more come. */
export async function isAnyBelow(container: ContainerClient, prefix: string): Promise<boolean> {
  for await (const page of pagesBelow(container, prefix, 1)) if (page.length > 0) return true
  return false
}

/** What time the service says it is.
 *  @throws whatever the SDK throws */
export async function serviceTime(container: ContainerClient, prefix: string): Promise<Date | undefined> {
  for await (const { date } of container.listBlobsFlat({ prefix }).byPage({ maxPageSize: 1 })) return date
  return undefined
}
