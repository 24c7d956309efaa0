import { randomUUID } from 'node:crypto'
import type { ObjectInfo, Part, UploadName } from './bucket.ts'
import type { StoredObject } from './versions.ts'

/** A multipart upload, and the mark of its completed object. */
export interface MarkedUpload extends UploadName {
  readonly mark: string
}

/** The bytes of an open multipart upload: its parts, and the tail, which is too short for a part. */
export interface MultipartState {
  readonly upload: MarkedUpload
  readonly parts: readonly Part[]
  readonly tail: Uint8Array
  /** True if a second writer has continued it: then two writers may have uploaded parts of the same number,
   *  and not every store completes the requested ones. */
  readonly isShared: boolean
}

/** An upload whose parts were all uploaded by one writer. */
export function wholeOf(upload: MarkedUpload, parts: readonly Part[]): MultipartState {
  return { upload, parts, tail: NOTHING, isShared: false }
}

const NOTHING = new Uint8Array()

/** A multipart upload, as the record under its key describes it. */
export interface StoredMultipart extends MultipartState {
  /** Entity tag of the record. */
  readonly etag: string
}

/** The state of a key: an object, or the record of a multipart upload. */
export type ObjectState =
  | ({ readonly kind: 'object'; readonly modifiedAt: Date } & StoredObject)
  /** The size is the multipart upload's; entity tag and mark are the record's. */
  | ({ readonly kind: 'record'; readonly modifiedAt: Date; readonly uploadId: string } & StoredObject)

export function sizeOf({ parts, tail }: Pick<MultipartState, 'parts' | 'tail'>): number {
  return parts.reduce((sum, part) => sum + part.size, tail.byteLength)
}

/** Distinguishes records from objects by their metadata, without their content. */
export function stateOf({ size, etag, modifiedAt, metadata }: ObjectInfo): ObjectState {
  const uploadId = metadata['upload-id']
  const mark = markOf(metadata)
  if (uploadId === undefined) return { kind: 'object', size, etag, mark, modifiedAt }
  return { kind: 'record', size: Number(metadata.size), etag, mark, uploadId, modifiedAt }
}

export function isRecord(metadata: Readonly<Record<string, string>> | undefined): boolean {
  return metadata?.['upload-id'] !== undefined
}

/** Metadata that identifies an object by a mark. */
export function marked(mark: string): Record<string, string> {
  return { writer: mark }
}

/** The mark of an object that was copied onto itself. */
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

/** A line of JSON, and the tail. A nonce makes each record unique, also if clients choose the content. */
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
