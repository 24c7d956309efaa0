/** The names of the keys in Redis. Every one begins with `entrepot:`.
 *
 *  ```
 *  entrepot:m:<kind>:<repository>@<digest>   the repository has the digest
 *  entrepot:c:<kind>:<canonical digest>      size and media type of content
 *  entrepot:i:<repository>:<tag>             the tag has changed; without a tag, a manifest was pushed; without a colon, anything
 *  entrepot:generation                       the generation in force
 *  entrepot:heartbeat  entrepot:claim  entrepot:probe
 *  ``` */
import type { ContentKind } from '../../core/descriptor-cache.ts'
import { type Digest, isDigest } from '../../core/digest.ts'

const PREFIX = 'entrepot:'
const MEMBER = `${PREFIX}m:`
const CONTENT = `${PREFIX}c:`

/** Prefix of announcements of changes, for indexes. They are not read: their names say it all. */
export const ANNOUNCEMENT_PREFIX = `${PREFIX}i:`

/** Prefixes of all entries. */
export const ENTRY_PREFIXES = [MEMBER, CONTENT] as const

/** Holds the name of the valid generation. */
export const GENERATION_KEY = `${PREFIX}generation`

/** Renewed periodically by the processes that trust Redis's entries. */
export const HEARTBEAT_KEY = `${PREFIX}heartbeat`

/** Held by the process that begins a generation. */
export const CLAIM_KEY = `${PREFIX}claim`

/** Written to check that Redis takes writes. */
export const PROBE_KEY = `${PREFIX}probe`

/** The key of a member's canonical digest. */
export function memberEntryKey(memberKey: string): string {
  return MEMBER + memberKey
}

/** The key of content's size and media type. */
export function contentEntryKey(kind: ContentKind, canonical: Digest): string {
  return `${CONTENT}${kind}:${canonical}`
}

export type EntryName =
  | { readonly of: 'member'; readonly memberKey: string }
  | { readonly of: 'content'; readonly kind: ContentKind; readonly canonical: Digest }

/** The content that a key belongs to. Undefined for other keys. */
export function parseEntryKey(key: string): EntryName | undefined {
  if (key.startsWith(MEMBER)) return { of: 'member', memberKey: key.slice(MEMBER.length) }
  const [, kind, canonical = ''] = /^entrepot:c:(blob|manifest):(.+)$/.exec(key) ?? []
  if (kind === undefined || !isDigest(canonical)) return undefined
  return { of: 'content', kind: kind as ContentKind, canonical }
}
