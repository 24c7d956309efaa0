import { StorageError } from '../../core/errors.ts'
import type { KeyPage } from '../object-store/children.ts'
import type { ListedObject } from '../object-store/scanned.ts'
import { isNotFound } from './errors.ts'
import type { JsonApi } from './json-api.ts'
import { isFile, type ObjectInfo, type ObjectResource } from './object-info.ts'

export interface ListingPage {
  readonly items: readonly ObjectInfo[]
  /** Folders, each with a trailing `/`. */
  readonly prefixes: readonly string[]
}

export interface ListingOptions {
  readonly prefix: string
  readonly delimiter?: string
  /** Only names from this one on. */
  readonly startOffset?: string | undefined
  /** Size of a page. */
  readonly maxResults?: number
}

export interface BucketListingParts {
  /** The bucket's name. */
  readonly name: string
  /** The path of its objects in the API. */
  readonly objects: string
  /** The fields of an object that listings return, separated by commas. */
  readonly fields: string
}

/** Listings of the objects of one bucket. They throw `CallFailed`, and `StorageError` if the bucket is missing.
 *  @see https://cloud.google.com/storage/docs/json_api/v1/objects/list */
export class BucketListing {
  readonly #api: JsonApi
  readonly #parts: BucketListingParts

  constructor(api: JsonApi, parts: BucketListingParts) {
    this.#api = api
    this.#parts = parts
  }

  /** The objects below a prefix, in byte order of the names, page by page. */
  async *pages(options: ListingOptions): AsyncIterable<ListingPage> {
    let pageToken: string | undefined
    do {
      const answer = await this.#list({ ...options, pageToken })
      yield { items: answer.items ?? [], prefixes: answer.prefixes ?? [] }
      pageToken = answer.nextPageToken
    } while (pageToken !== undefined && pageToken !== '')
  }

  /** True if an object has the prefix. */
  async hasAny(prefix: string): Promise<boolean> {
    const { items = [] } = await this.#list({ prefix, maxResults: 1 })
    return items.length > 0
  }

  async #list(query: ListingOptions & { pageToken?: string | undefined }): Promise<Partial<ListAnswer>> {
    const fields = `items(${this.#parts.fields}),prefixes,nextPageToken`
    try {
      return await this.#api.json<ListAnswer>({
        method: 'GET',
        path: this.#parts.objects,
        query: { ...query, fields },
      })
    } catch (cause) {
      if (!isNotFound(cause)) throw cause
      const message = `the bucket ${this.#parts.name} does not exist`
      throw new StorageError('BACKEND_FAILED', { path: '/', message, cause })
    }
  }
}

interface ListAnswer {
  readonly items: readonly ObjectResource[]
  readonly prefixes: readonly string[]
  readonly nextPageToken: string
}

/** The files below a prefix, in byte order, page by page.
 *  @param startOffset only keys from this one on */
export async function* listedObjects(
  bucket: Pick<BucketListing, 'pages'>,
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
  bucket: Pick<BucketListing, 'pages'>,
  { prefix, after }: { prefix: string; after: string },
): AsyncIterable<KeyPage> {
  const startOffset = after === '' ? undefined : prefix + after
  for await (const { items, prefixes } of bucket.pages({ prefix, delimiter: '/', startOffset })) {
    const files = items.filter(isFile).map(({ name = '' }) => name)
    const keys = [...files, ...prefixes].sort().map((key) => key.slice(prefix.length))
    yield { keys }
  }
}
