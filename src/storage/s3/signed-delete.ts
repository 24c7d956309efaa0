import { createHash, randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { StorageError } from '../../core/errors.ts'
import type { DeleteOutcome, ExpiringDeletesParts, Validity } from '../object-store/expiring-deletes.ts'
import type { Bucket } from './bucket.ts'
import type { ConditionalWriteSupport } from './conditional-write-support.ts'
import { isMissing } from './errors.ts'

export interface SignedDeletesParts {
  readonly client: S3Client
  readonly bucket: Bucket
  readonly bucketName: string
  readonly support: ConditionalWriteSupport
  /** Prefix of every key. */
  readonly root: string
}

/** The response to a request without retries. */
interface RawAnswer {
  readonly status: number
  /** By the store's clock; undefined if it is missing. */
  readonly date: Date | undefined
  readonly body: string
}

/** Delete requests that expire: signed in their query (Signature Version 4, "Authenticating Requests: Using
 *  Query Parameters") and sent without the SDK, whose retries would be signed anew. */
export function signedDeletes({ client, bucket, bucketName, support, root }: SignedDeletesParts) {
  const send = async (key: string, { from, until }: Validity): Promise<DeleteOutcome> => {
    const command = new DeleteObjectCommand({ Bucket: bucketName, Key: key })
    const url = await getSignedUrl(client, command, {
      signingDate: from,
      expiresIn: (until.getTime() - from.getTime()) / 1000,
    })
    const answer = await ask(client, 'DELETE', url).catch(() => undefined) // the outcome is unknown
    return answer === undefined ? 'unknown' : outcomeOf(answer, { key, until })
  }
  const now = async (): Promise<Date> => {
    const command = new HeadObjectCommand({ Bucket: bucketName, Key: `${root}~clock` })
    const { date } = await ask(client, 'HEAD', await getSignedUrl(client, command, { expiresIn: 60 }))
    if (date !== undefined) return date
    throw new StorageError('UNSUPPORTED', {
      path: '/',
      message: 'the store sends no time (header Date)',
    })
  }
  const findMissing = async (): Promise<string | undefined> => {
    if (!support.createOnly) return 'the store overwrites an existing object (it ignores If-None-Match: *)'
    if (!support.replaceOnly) return 'the store overwrites a changed object (it ignores If-Match)'
    return probeExpiry(bucket, { key: `${root}~probe.${randomUUID()}`, send, now })
  }
  const sendBatch = async (keys: readonly string[], validity: Validity) => {
    const { url, body, md5 } = await signedBatch(client, { bucketName, keys, validity })
    const headers = {
      'content-md5': md5,
      'content-type': 'application/xml',
      'content-length': `${body.length}`,
    }
    const answer = await ask(client, 'POST', url, { headers, body }).catch(() => undefined)
    if (answer === undefined) return 'unknown'
    const outcome = outcomeOf(answer, { key: `${keys.length} objects`, until: validity.until })
    return outcome === 'deleted' && answer.body.includes('<Error>') ? undefined : outcome
  }
  const isHonoured = async (): Promise<boolean> => {
    const sendOne = async (key: string, validity: Validity) => (await sendBatch([key], validity)) ?? 'unknown'
    try {
      const parts = { key: `${root}~probe.${randomUUID()}`, send: sendOne, now }
      return (await probeExpiry(bucket, parts)) === undefined
    } catch (error) {
      // A store that rejects it for any reason is asked for one object at a time.
      if (error instanceof StorageError && error.code === 'BACKEND_FAILED') return false
      throw error
    }
  }
  return { send, now, findMissing, batch: { send: sendBatch, isHonoured } } satisfies ExpiringDeletesParts
}

/** A request to delete several objects ("DeleteObjects") that expires. Its MD5 sum is signed with it, so the body can't be replaced. The
 *  SDK's other headers would be moved into the query, where stores don't take them. */
async function signedBatch(
  client: S3Client,
  { bucketName, keys, validity }: { bucketName: string; keys: readonly string[]; validity: Validity },
): Promise<{ url: string; body: Buffer; md5: string }> {
  const Objects = keys.map((Key) => ({ Key }))
  const command = new DeleteObjectsCommand({ Bucket: bucketName, Delete: { Objects, Quiet: true } })
  let body = Buffer.alloc(0)
  let md5 = ''
  command.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { headers: Record<string, string>; body: string | Uint8Array }
      body = Buffer.from(request.body as string)
      md5 = createHash('md5').update(body).digest('base64')
      request.headers = { host: request.headers.host ?? '', 'content-md5': md5 }
      return next(args)
    },
    { step: 'build', priority: 'low', name: 'bodySum' },
  )
  const expiresIn = (validity.until.getTime() - validity.from.getTime()) / 1000
  const url = await getSignedUrl(client, command, { signingDate: validity.from, expiresIn })
  return { url, body, md5 }
}

/** The `Date` of a response may be that of a second before. */
const DATE_STEP_MS = 2_000

/** The age of an expired request that the store must reject. */
const EXPIRED_MS = 120_000

/** The missing capability. Undefined if the store rejects expired requests, and accepts others. */
async function probeExpiry(
  bucket: Bucket,
  { key, send, now }: Pick<ExpiringDeletesParts, 'send' | 'now'> & { key: string },
): Promise<string | undefined> {
  const isThere = () =>
    bucket.head(key).then(
      () => true,
      (error) => {
        if (isMissing(error)) return false
        throw error
      },
    )
  try {
    await bucket.put(key, Buffer.from('a probe of the capabilities of the store; it can be removed'))
    const time = (await now()).getTime()
    const past = { from: new Date(time - EXPIRED_MS - 60_000), until: new Date(time - EXPIRED_MS) }
    const late = await send(key, past)
    if (late !== 'expired' || !(await isThere())) {
      return `the store accepts an expired delete request (it was ${late})`
    }
    const inTime = await send(key, { from: new Date(time), until: new Date(time + 60_000) })
    if (inTime !== 'deleted' || (await isThere())) {
      return `the store rejects a delete request to a signed URL (it was ${inTime})`
    }
    return undefined
  } finally {
    await bucket.remove(key)
  }
}

/** The outcome of a request.
 *  @throws StorageError BACKEND_FAILED if it was rejected for another reason */
function outcomeOf(
  { status, date, body }: RawAnswer,
  { key, until }: { key: string; until: Date },
): DeleteOutcome {
  if ((status >= 200 && status < 300) || status === 404) return 'deleted'
  if (status === 408 || status === 429 || status >= 500) return 'unknown'
  const isOver = date !== undefined && date.getTime() + DATE_STEP_MS >= until.getTime()
  if (status === 403 && isOver) return 'expired'
  const reason = /<Code>([^<]*)<\/Code>(?:\s*<Message>([^<]*))?/.exec(body)
  const message = `${key}: the store refuses to delete it: ${status} ${reason?.slice(1).join(': ') ?? ''}`
  throw new StorageError('BACKEND_FAILED', { path: '/', message })
}

async function ask(
  client: S3Client,
  method: 'DELETE' | 'HEAD' | 'POST',
  signed: string,
  { headers, body }: { headers?: Readonly<Record<string, string>>; body?: Buffer } = {},
): Promise<RawAnswer> {
  const url = new URL(signed)
  const { response } = await client.config.requestHandler.handle({
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    ...(url.port !== '' && { port: Number(url.port) }),
    path: `${url.pathname}${url.search}`,
    query: {},
    headers: { ...headers, host: url.host },
    ...(body && { body }),
  } as Parameters<typeof client.config.requestHandler.handle>[0])
  const { date = '' } = response.headers
  const time = Date.parse(date)
  return {
    status: response.statusCode,
    date: Number.isNaN(time) ? undefined : new Date(time),
    body: response.body === undefined ? '' : (await buffer(response.body)).toString(),
  }
}
