import { randomBytes } from 'node:crypto'
import type { Digest } from '../../core/digest.ts'
import {
  type Author,
  CHANGE_CAUSES,
  type Deletion,
  type TagChange,
  type TaggedDigest,
} from '../../core/lifecycle/history.ts'

/** A manifest that was deleted, or that a deleted tag named. */
export interface DeletedManifest {
  /** Canonical. */
  readonly digest: Digest
  /** Its digests by other algorithms. */
  readonly aliases?: readonly Digest[] | undefined
  /** JWS signatures, in base64: those of schema 1 are kept beside the manifest. */
  readonly signatures?: readonly string[] | undefined
}

/** A link to a blob, by its name and the canonical digest of the blob. */
export type DeletedLink = readonly [name: Digest, target: Digest]

/** What a deletion has taken away, and who has asked for it: as much as it takes to undo it. */
export interface DeletionRecord extends Author {
  readonly kind: Deletion['kind']
  /** RFC 3339, by the clock of the process. */
  readonly at: string
  /** For how long its content is kept, in milliseconds. */
  readonly windowMs: number
  readonly tags: readonly TaggedDigest[]
  readonly manifests: readonly DeletedManifest[]
  /** Of a repository that was deleted as a whole. */
  readonly links?: readonly DeletedLink[] | undefined
  /** Of a tag that was moved: the digest that it names since. */
  readonly movedTo?: Digest | undefined
}

/** The name of a record, and the time that it says. */
export interface RecordStamp {
  readonly id: string
  /** RFC 3339, by the clock of the process. */
  readonly at: string
}

/** Names of files in the order of time: the time to the millisecond, and 32 random bits. Those of one process are in the order in
 *  which they were made. */
export class RecordIds {
  #last = 0

  next(): RecordStamp {
    this.#last = Math.max(Date.now(), this.#last + 1)
    const at = new Date(this.#last).toISOString()
    return { id: `${at.replace(/[-:.]/g, '')}-${randomBytes(4).toString('hex')}`, at }
  }
}

/** 20260102T150405123Z-0a1b2c3d */
const ID = /^\d{8}T\d{9}Z-[0-9a-f]{8}$/

export function isRecordId(text: string): boolean {
  return ID.test(text)
}

export function encode(record: object): Uint8Array {
  return Buffer.from(JSON.stringify(record))
}

/** Undefined for what no process has written. */
export function parseDeletion(content: Uint8Array): DeletionRecord | undefined {
  const found = parseObject(content) as Partial<DeletionRecord> | undefined
  const isDeletion =
    Array.isArray(found?.tags) && Array.isArray(found.manifests) && Number.isFinite(found.windowMs)
  return isDeletion ? (found as DeletionRecord) : undefined
}

/** Undefined for what no process has written. */
export function parseChange(content: Uint8Array): Omit<TagChange, 'id' | 'tag'> | undefined {
  const found = parseObject(content) as Partial<TagChange> | undefined
  const isChange = typeof found?.at === 'string' && CHANGE_CAUSES.some((cause) => cause === found.cause)
  return isChange ? (found as TagChange) : undefined
}

function parseObject(content: Uint8Array): unknown {
  try {
    return Object(JSON.parse(Buffer.from(content).toString()))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
