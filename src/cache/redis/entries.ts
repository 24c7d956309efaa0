/** The format of entries in Redis. Each has an expiry and a MAC bound to its key, so that others with write
 *  access to Redis can neither add content to a repository nor change its properties. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ContentInfo } from '../../core/descriptor-cache.ts'
import { isMediaType } from '../../core/media-type.ts'

/** Tombstone: stands in an evicted entry's place for a while, so that earlier lookups cannot write it
 *  back. */
export const TOMBSTONE = 'gone'

/** Changed with the format: entries of other versions are ignored. */
const VERSION = '1'
const CODE_BYTES = 16

export interface Entry {
  readonly content: string
  /** The generation of the lookup. In another one the entry may be wrong. */
  readonly generation: string
}

export class EntryCodec {
  readonly #secret: string

  constructor(secret: string) {
    this.#secret = secret
  }

  encode(key: string, { content, generation }: Entry, endsAt: number): string {
    const text = `${VERSION} ${endsAt} ${generation} ${content}`
    return `${this.#codeOf(key, text).toString('base64url')} ${text}`
  }

  /** Undefined if the entry is foreign, belongs to another key, or has expired. */
  decode(key: string, value: string, now: number): Entry | undefined {
    const [, code = '', text = '', version, endsAt, generation = '', content = ''] =
      /^(\S+) ((\S+) (\d+) (\S+) (.*))$/.exec(value) ?? []
    const given = Buffer.from(code, 'base64url')
    const expected = this.#codeOf(key, text)
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
    return version === VERSION && Number(endsAt) > now ? { content, generation } : undefined
  }

  #codeOf(key: string, text: string): Buffer {
    return createHmac('sha256', this.#secret).update(`${key}\n${text}`).digest().subarray(0, CODE_BYTES)
  }
}

export function encodeInfo({ mediaType, size }: ContentInfo): string {
  return `${size} ${mediaType}`
}

/** Parses the properties.
 *  @returns undefined unless `encodeInfo` wrote them */
export function decodeInfo(content: string): ContentInfo | undefined {
  const [, size, mediaType = ''] = /^(\d+) (\S+)$/.exec(content) ?? []
  return size !== undefined && isMediaType(mediaType) ? { mediaType, size: Number(size) } : undefined
}
