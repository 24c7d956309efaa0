/** What the cache writes to Redis, so that whoever can write there too can neither make a repository have a blob nor change
 *  what is known of one: every value carries its end and a code that only who has the secret can make, for its key alone. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ContentInfo, ContentKind } from '../../core/descriptor-cache.ts'
import { type Digest, isDigest } from '../../core/digest.ts'
import { isMediaType } from '../../core/media-type.ts'

export const PREFIX = 'entrepot:'
const MEMBER = `${PREFIX}m:`
const CONTENT = `${PREFIX}c:`

/** Asked for to see whether Redis answers. */
export const PROBE_KEY = `${PREFIX}probe`

/** Stands for a while where something was evicted, so that whoever looked it up before cannot put it back. */
export const TOMBSTONE = 'gone'

/** Under which a set's member has its canonical digest. */
export function memberEntryKey(memberKey: string): string {
  return MEMBER + memberKey
}

/** Under which content has its size and media type. */
export function contentEntryKey(kind: ContentKind, canonical: Digest): string {
  return `${CONTENT}${kind}:${canonical}`
}

export type EntryName =
  | { readonly of: 'member'; readonly memberKey: string }
  | { readonly of: 'content'; readonly kind: ContentKind; readonly canonical: Digest }

/** What a key of ours stands for; undefined for any other. */
export function parseEntryKey(key: string): EntryName | undefined {
  if (key.startsWith(MEMBER)) return { of: 'member', memberKey: key.slice(MEMBER.length) }
  const [, kind, canonical = ''] = /^entrepot:c:(blob|manifest):(.+)$/.exec(key) ?? []
  if (kind === undefined || !isDigest(canonical)) return undefined
  return { of: 'content', kind: kind as ContentKind, canonical }
}

/** Increased when what is written changes its meaning: an older entry is then none. */
const VERSION = '1'
const CODE_BYTES = 16

export class EntryCodec {
  readonly #secret: string

  constructor(secret: string) {
    this.#secret = secret
  }

  encode(key: string, content: string, endsAt: number): string {
    const text = `${VERSION} ${endsAt} ${content}`
    return `${this.#codeOf(key, text).toString('base64url')} ${text}`
  }

  /** The content; undefined for what is not ours, was made for another key, or is too old. */
  decode(key: string, value: string, now: number): string | undefined {
    const [, code = '', text = '', version, endsAt, content] = /^(\S+) ((\S+) (\d+) (.*))$/.exec(value) ?? []
    const given = Buffer.from(code, 'base64url')
    const expected = this.#codeOf(key, text)
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined
    return version === VERSION && Number(endsAt) > now ? content : undefined
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
