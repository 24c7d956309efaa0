/** What the cache writes to Redis, so that whoever can write there too can neither make a repository have a blob nor change
 *  what is known of one: every value carries its end and a code that only who has the secret can make, for its key alone. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ContentInfo } from '../../core/descriptor-cache.ts'
import { isMediaType } from '../../core/media-type.ts'

/** Stands for a while where something was evicted, so that whoever looked it up before cannot put it back. */
export const TOMBSTONE = 'gone'

/** Increased when what is written changes its meaning: an older entry is then none. */
const VERSION = '1'
const CODE_BYTES = 16

export interface Entry {
  readonly content: string
  /** In which it was looked up. In another one it may be wrong. */
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

  /** Undefined for what is not ours, was made for another key, or is too old. */
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

/** @returns undefined for what `encodeInfo` did not write */
export function decodeInfo(content: string): ContentInfo | undefined {
  const [, size, mediaType = ''] = /^(\d+) (\S+)$/.exec(content) ?? []
  return size !== undefined && isMediaType(mediaType) ? { mediaType, size: Number(size) } : undefined
}
