import { randomUUID } from 'node:crypto'
import type { ObjectInfo, Part, UploadName } from './bucket.ts'
import type { StoredObject } from './versions.ts'

/** A multipart upload, and the mark that the object made of it will have. */
export interface MarkedUpload extends UploadName {
  readonly mark: string
}

/** Bytes that are the parts of an open multipart upload, and those behind the last part, too few for one of their own. */
export interface MultipartState {
  readonly upload: MarkedUpload
  readonly parts: readonly Part[]
  readonly tail: Uint8Array
  /** True where it was gone on with: then two writers may have put parts of their own under one number, and not every store
   *  completes the one that was asked for. */
  readonly isShared: boolean
}

/** An upload of which one writer has put all parts. */
export function wholeOf(upload: MarkedUpload, parts: readonly Part[]): MultipartState {
  return { upload, parts, tail: NOTHING, isShared: false }
}

const NOTHING = new Uint8Array()

/** A multipart upload as the record says it that stands under its key. */
export interface StoredMultipart extends MultipartState {
  /** Of the record. */
  readonly etag: string
}

/** What stands under a key: an object, or the record of a multipart upload. */
export type ObjectState =
  | ({ readonly kind: 'object'; readonly modifiedAt: Date } & StoredObject)
  /** The size is that of the multipart upload; the entity tag and the mark are the record's own. */
  | ({ readonly kind: 'record'; readonly modifiedAt: Date; readonly uploadId: string } & StoredObject)

export function sizeOf({ parts, tail }: Pick<MultipartState, 'parts' | 'tail'>): number {
  return parts.reduce((sum, part) => sum + part.size, tail.byteLength)
}

/** What is said in the metadata tells a record from an object, and its content need not be fetched for it. */
export function stateOf({ size, etag, modifiedAt, metadata }: ObjectInfo): ObjectState {
  const uploadId = metadata['upload-id']
  const mark = markOf(metadata)
  if (uploadId === undefined) return { kind: 'object', size, etag, mark, modifiedAt }
  return { kind: 'record', size: Number(metadata.size), etag, mark, uploadId, modifiedAt }
}

export function isRecord(metadata: Readonly<Record<string, string>> | undefined): boolean {
  return metadata?.['upload-id'] !== undefined
}

/** The metadata of an object that is told from others by a mark. */
export function marked(mark: string): Record<string, string> {
  return { writer: mark }
}

/** The mark of the object that was copied from one with a mark, in its place. */
export function copyMark(mark: string): string {
  return `${mark}-copied`
}

export function markOf(metadata: Readonly<Record<string, string>> | undefined): string {
  return metadata?.writer ?? ''
}

export function metadataOf(multipart: MultipartState): Record<string, string> {
  return { size: `${sizeOf(multipart)}`, 'upload-id': multipart.upload.uploadId }
}

interface RecordHead {
  readonly uploadId: string
  readonly mark: string
  readonly isShared: boolean
  readonly parts: readonly [etag: string, size: number][]
}

/** A line of JSON, and the bytes behind the last part. The nonce makes each record another one, also for who chooses these. */
export function formatRecord({ upload: { uploadId, mark }, parts, tail, isShared }: MultipartState): Buffer {
  const rows = parts.map(({ etag, size }) => [etag, size])
  const head = { nonce: randomUUID(), uploadId, mark, isShared, parts: rows }
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), tail])
}

export function parseRecord(key: string, content: Buffer): MultipartState {
  const end = content.indexOf('\n')
  const head: RecordHead = JSON.parse(content.subarray(0, end).toString())
  return {
    upload: { key, uploadId: head.uploadId, mark: head.mark },
    parts: head.parts.map(([etag, size]) => ({ etag, size })),
    tail: content.subarray(end + 1),
    isShared: head.isShared,
  }
}
