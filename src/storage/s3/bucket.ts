import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  ListPartsCommand,
  type ListPartsCommandOutput,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type { ListedObject } from '../object-store/scanned.ts'
import type { DirectOptions } from './direct-http/handler.ts'
import { isConditionFailed, isMissing, isNoSuchUpload, isNotImplemented } from './errors.ts'
import type { S3Settings } from './settings.ts'

/** The present state of an object. */
export interface ObjectInfo {
  readonly size: number
  /** With quotes, for comparisons. */
  readonly etag: string
  readonly modifiedAt: Date
  readonly metadata: Readonly<Record<string, string>>
}

/** A small object with its content. */
export interface ObjectContent extends ObjectInfo {
  readonly content: Buffer
}

/** The condition of a write: no object exists, or one with this entity tag. */
export type Condition = { readonly absent: true } | { readonly etag: string } | undefined

export interface Part {
  readonly etag: string
  readonly size: number
}

export interface UploadName {
  readonly key: string
  readonly uploadId: string
}

export interface OpenUpload extends UploadName {
  readonly startedAt: Date
}

export interface GetOptions {
  /** For example `bytes=0-9`. */
  readonly range?: string | undefined
  readonly etag?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** True if a chunk of the body need be valid only until the next one is requested. Default: false. */
  readonly chunksAreLent?: boolean
}

/** The driver's requests. They throw the SDK's errors. */
export class Bucket {
  readonly #client: S3Client
  readonly #name: string
  /** Attributes of every new object. */
  readonly #attributes

  constructor(client: S3Client, settings: S3Settings) {
    this.#client = client
    this.#name = settings.bucket
    this.#attributes = attributesOf(settings)
  }

  async head(key: string): Promise<ObjectInfo> {
    return infoOf(await this.#client.send(new HeadObjectCommand({ Bucket: this.#name, Key: key })))
  }

  get(key: string, options: GetOptions = {}): Promise<GetObjectCommandOutput> {
    const { range, etag, signal, chunksAreLent = false } = options
    const command = new GetObjectCommand({ Bucket: this.#name, Key: key, Range: range, IfMatch: etag })
    const sent: DirectOptions = { abortSignal: signal, chunksAreLent }
    return this.#client.send(command, sent)
  }

  /** A small object, or a small range of one. */
  async content(key: string, options: GetOptions = {}): Promise<ObjectContent> {
    const got = await this.get(key, options)
    const { buffer, byteOffset, byteLength } = (await got.Body?.transformToByteArray()) ?? new Uint8Array()
    return { ...infoOf(got), content: Buffer.from(buffer, byteOffset, byteLength) }
  }

  /** Writes an object.
   *  @returns its entity tag */
  async put(
    key: string,
    body: Uint8Array,
    { condition, metadata }: { condition?: Condition; metadata?: Record<string, string> } = {},
  ): Promise<string> {
    const put = await this.#client.send(
      new PutObjectCommand({
        ...this.#attributes,
        ...conditionHeaders(condition),
        Bucket: this.#name,
        Key: key,
        Body: body,
        Metadata: metadata,
      }),
    )
    return quoted(put.ETag)
  }

  async copy(
    from: string,
    to: string,
    { etag, condition }: { etag?: string | undefined; condition?: Condition } = {},
  ): Promise<void> {
    await this.#client.send(
      new CopyObjectCommand({
        ...this.#attributes,
        ...conditionHeaders(condition),
        Bucket: this.#name,
        Key: to,
        CopySource: this.#source(from),
        CopySourceIfMatch: etag,
        MetadataDirective: 'REPLACE',
      }),
    )
  }

  /** Does nothing if there is none: Amazon says so by itself, other stores not if it was removed at the same
   *  time. */
  async remove(key: string): Promise<void> {
    await this.#client
      .send(new DeleteObjectCommand({ Bucket: this.#name, Key: key }))
      .catch(throwUnless(isMissing))
  }

  /** Removes an object if it still has the entity tag. A store that ignores the condition removes any. */
  async removeUnchanged(key: string, etag: string | undefined): Promise<void> {
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#name, Key: key, IfMatch: etag }))
    } catch (error) {
      if (isConditionFailed(error) || isMissing(error)) return
      if (etag === undefined || !isNotImplemented(error)) throw error
      await this.remove(key)
    }
  }

  /** Removes objects.
   *  @param keys up to a thousand; missing ones are ignored */
  async removeAll(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return
    const { Errors = [] } = await this.#client.send(
      new DeleteObjectsCommand({
        Bucket: this.#name,
        Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true },
      }),
    )
    const [first] = Errors.filter(({ Code }) => Code !== 'NoSuchKey')
    if (first === undefined) return
    const error = new Error(`${first.Key}: ${first.Message}`)
    error.name = first.Code ?? 'DeleteObjects'
    throw error
  }

  /** Keys in byte order, a page at a time. With a delimiter, all keys below a folder are one that ends in
   *  `/`. */
  async *pages(
    prefix: string,
    { after, delimiter, pageSize }: { after?: string; delimiter?: '/'; pageSize?: number } = {},
  ): AsyncIterable<string[]> {
    let token: string | undefined
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#name,
          Prefix: prefix,
          Delimiter: delimiter,
          StartAfter: token === undefined ? after : undefined,
          ContinuationToken: token,
          MaxKeys: pageSize,
        }),
      )
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
      const objects = (page.Contents ?? []).map(({ Key = '' }) => Key)
      const folders = (page.CommonPrefixes ?? []).map(({ Prefix = '' }) => Prefix)
      yield folders.length === 0 ? objects : [...objects, ...folders].sort()
    } while (token !== undefined)
  }

  /** All objects below a prefix in byte order of their keys, a page at a time.
   *  @param after only keys after this one */
  async *objects(prefix: string, after: string | undefined): AsyncIterable<ListedObject[]> {
    let token: string | undefined
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#name,
          Prefix: prefix,
          StartAfter: token === undefined ? after : undefined,
          ContinuationToken: token,
        }),
      )
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
      yield (page.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
        key: Key,
        size: Size,
        modifiedAt: LastModified ?? new Date(),
      }))
    } while (token !== undefined)
  }

  /** True if a key has the prefix. */
  async holds(prefix: string): Promise<boolean> {
    for await (const keys of this.pages(prefix, { pageSize: 1 })) return keys.length > 0
    return false
  }

  /** Creates a multipart upload.
   *  @param metadata of the completed object
   *  @returns its id */
  async createUpload(key: string, metadata: Record<string, string> = {}): Promise<string> {
    const created = await this.#client.send(
      new CreateMultipartUploadCommand({
        ...this.#attributes,
        Bucket: this.#name,
        Key: key,
        Metadata: metadata,
      }),
    )
    if (created.UploadId === undefined) throw new Error('the store gave no id to a multipart upload')
    return created.UploadId
  }

  /** Uploads a part.
   *  @param number from 1 */
  async putPart({ key, uploadId }: UploadName, number: number, body: Uint8Array): Promise<Part> {
    const put = await this.#client.send(
      new UploadPartCommand({
        Bucket: this.#name,
        Key: key,
        UploadId: uploadId,
        PartNumber: number,
        Body: body,
      }),
    )
    return { etag: quoted(put.ETag), size: body.byteLength }
  }

  /** Copies a range of another object, of this entity tag, to a part. */
  async copyPart(
    { key, uploadId }: UploadName,
    number: number,
    { from, etag, start, end }: { from: string; etag: string; start: number; end: number },
  ): Promise<Part> {
    const copied = await this.#client.send(
      new UploadPartCopyCommand({
        Bucket: this.#name,
        Key: key,
        UploadId: uploadId,
        PartNumber: number,
        CopySource: this.#source(from),
        CopySourceIfMatch: etag,
        CopySourceRange: `bytes=${start}-${end}`,
      }),
    )
    return { etag: quoted(copied.CopyPartResult?.ETag), size: end - start + 1 }
  }

  /** Completes an upload.
   *  @returns the entity tag that the store reports: of the object, or of the one that the upload was
   *    completed to before */
  async completeUpload(
    { key, uploadId }: UploadName,
    parts: readonly Part[],
    condition?: Condition,
  ): Promise<string> {
    const completed = await this.#client.send(
      new CompleteMultipartUploadCommand({
        ...conditionHeaders(condition),
        Bucket: this.#name,
        Key: key,
        UploadId: uploadId,
        MultipartUpload: { Parts: parts.map(({ etag }, index) => ({ ETag: etag, PartNumber: index + 1 })) },
      }),
    )
    return quoted(completed.ETag)
  }

  /** Does nothing if it has ended. */
  async abortUpload({ key, uploadId }: UploadName): Promise<void> {
    await this.#client
      .send(new AbortMultipartUploadCommand({ Bucket: this.#name, Key: key, UploadId: uploadId }))
      .catch(throwUnless((error) => isMissing(error) || isNoSuchUpload(error)))
  }

  /** Lists open uploads. A page starts after the last key, so further uploads to that key may be missed until
   *  the next listing. */
  async *openUploads(prefix: string): AsyncIterable<OpenUpload> {
    let lastKey: string | undefined
    do {
      const page: ListMultipartUploadsCommandOutput = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket: this.#name, Prefix: prefix, KeyMarker: lastKey }),
      )
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined || !Key.startsWith(prefix)) continue
        yield { key: Key, uploadId: UploadId, startedAt: Initiated ?? new Date() }
      }
      lastKey = page.IsTruncated === true ? page.NextKeyMarker : undefined
    } while (lastKey !== undefined)
  }

  /** The time of the newest part. Undefined if there is none. */
  async newestPartAt({ key, uploadId }: UploadName): Promise<Date | undefined> {
    let newest: Date | undefined
    let marker: string | undefined
    do {
      const page: ListPartsCommandOutput = await this.#client.send(
        new ListPartsCommand({
          Bucket: this.#name,
          Key: key,
          UploadId: uploadId,
          PartNumberMarker: marker,
        }),
      )
      for (const { LastModified } of page.Parts ?? []) {
        if (LastModified !== undefined && (newest === undefined || LastModified > newest))
          newest = LastModified
      }
      marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined
    } while (marker !== undefined)
    return newest
  }

  close(): void {
    this.#client.destroy()
  }

  #source(key: string): string {
    return `${this.#name}/${key.split('/').map(encodeURIComponent).join('/')}`
  }
}

function throwUnless(isExpected: (error: unknown) => boolean): (error: unknown) => void {
  return (error) => {
    if (!isExpected(error)) throw error
  }
}

function infoOf(answer: HeadObjectCommandOutput | GetObjectCommandOutput): ObjectInfo {
  return {
    size: answer.ContentLength ?? 0,
    etag: quoted(answer.ETag),
    modifiedAt: answer.LastModified ?? new Date(),
    metadata: answer.Metadata ?? {},
  }
}

/** Some stores omit the quotes. */
export function quoted(etag: string | undefined): string {
  return `"${(etag ?? '').replaceAll('"', '')}"`
}

function conditionHeaders(condition: Condition): { IfNoneMatch?: string; IfMatch?: string } {
  if (condition === undefined) return {}
  return 'absent' in condition ? { IfNoneMatch: '*' } : { IfMatch: condition.etag }
}

/** The configured attributes. Defaults are not sent, because a bucket may reject explicit ones. */
function attributesOf({ encrypt, keyid, objectacl, storageclass }: S3Settings) {
  return {
    ContentType: 'application/octet-stream',
    ...(encrypt && { ServerSideEncryption: keyid === '' ? 'AES256' : 'aws:kms' }),
    ...(encrypt && keyid !== '' && { SSEKMSKeyId: keyid }),
    ...(objectacl !== '' && objectacl !== 'private' && { ACL: objectacl }),
    ...(!['', 'NONE', 'STANDARD'].includes(storageclass) && { StorageClass: storageclass }),
  } as {
    ContentType: string
    ServerSideEncryption?: 'AES256' | 'aws:kms'
    SSEKMSKeyId?: string
    ACL?: 'public-read'
    StorageClass?: 'STANDARD_IA'
  }
}
