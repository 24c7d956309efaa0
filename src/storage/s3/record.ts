import { randomUUID } from 'node:crypto'
import type { ObjectInfo, Part, UploadName } from './bucket.ts'
import type { StoredObject } from './versions.ts'

/** A multipart upload, and the mark that the object made of it will have. */
export interface MarkedUpload extends UploadName {
  readonly mark: string
}

/** Bytes that are the parts of an open multipart upload, and those behind the last part, too few for one of their own. */
export interface Assembly {
  readonly upload: MarkedUpload
  readonly parts: readonly Part[]
  readonly tail: Uint8Array
}

/** An assembly as the record says it that stands under its key. */
export interface StoredAssembly extends Assembly {
  /** Of the record. */
  readonly etag: string
}

/** What stands under a key: an object, or the record of an assembly. */
export type Standing =
  | ({ readonly kind: 'object'; readonly modifiedAt: Date } & StoredObject)
  /** The size is that of the assembly; the entity tag and the mark are the record's own. */
  | ({ readonly kind: 'record'; readonly modifiedAt: Date; readonly uploadId: string } & StoredObject)

export function sizeOf({ parts, tail }: Pick<Assembly, 'parts' | 'tail'>): number {
  return parts.reduce((sum, part) => sum + part.size, tail.byteLength)
}

/** What is said in the metadata tells a record from an object, and its content need not be fetched for it. */
export function standingOf({ size, etag, modifiedAt, metadata }: ObjectInfo): Standing {
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

export function markOf(metadata: Readonly<Record<string, string>> | undefined): string {
  return metadata?.writer ?? ''
}

export function metadataOf(assembly: Assembly): Record<string, string> {
  return { size: `${sizeOf(assembly)}`, 'upload-id': assembly.upload.uploadId }
}

/** A line of JSON, and the bytes behind the last part. The nonce makes each record another one, also for who chooses these. */
export function formatRecord({ upload: { uploadId, mark }, parts, tail }: Assembly): Buffer {
  const head = { nonce: randomUUID(), uploadId, mark, parts: parts.map(({ etag, size }) => [etag, size]) }
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), tail])
}

export function parseRecord(key: string, content: Buffer): Assembly {
  const end = content.indexOf('\n')
  const head: { uploadId: string; mark: string; parts: [string, number][] } = JSON.parse(
    content.subarray(0, end).toString(),
  )
  return {
    upload: { key, uploadId: head.uploadId, mark: head.mark },
    parts: head.parts.map(([etag, size]) => ({ etag, size })),
    tail: content.subarray(end + 1),
  }
}
