import { randomUUID } from 'node:crypto'
import { AnonymousCredential, BlobBatch, BlobClient, newPipeline, RestError } from '@azure/storage-blob'
import { StorageError } from '../../core/errors.ts'
import type { DeleteOutcome, ExpiringDeletesParts, Validity } from '../object-store/expiring-deletes.ts'
import { propertiesOf } from './blob-state.ts'
import type { AzureConnection } from './client.ts'
import { reasonOf } from './errors.ts'
import { serviceTime } from './listing.ts'
import type { Signatures } from './signatures.ts'

export interface SignedDeletesParts {
  readonly connection: AzureConnection
  readonly signatures: Signatures
  /** Prefix of unfinished blobs. */
  readonly temporary: string
}

const NO_KEY = 'there is no key for signing requests (an account key, or the right to a user delegation key)'

/** Delete requests that expire: sent to a signed URL ("Create a service SAS"), once each. Several of them are sent
 *  as the parts of one request ("Blob Batch"), of which each has a signature of its own. */
export function signedDeletes({ connection, signatures, temporary }: SignedDeletesParts) {
  const { container, once, pipelineOptions } = connection
  const anonymous = newPipeline(new AnonymousCredential(), pipelineOptions(1))
  const send = async (name: string, { until }: Validity): Promise<DeleteOutcome> => {
    const url = await signatures.deleteUrl(name, until)
    if (url === undefined) throw new StorageError('UNSUPPORTED', { path: '/', message: NO_KEY })
    try {
      await new BlobClient(url.href, anonymous).delete({ deleteSnapshots: 'include' })
      return 'deleted'
    } catch (cause) {
      return outcomeOf(cause, until)
    }
  }
  const now = async (): Promise<Date> => {
    const date = await serviceTime(container, temporary)
    if (date !== undefined) return date
    throw new StorageError('UNSUPPORTED', { path: '/', message: 'the service sends no time' })
  }
  const sendBatch = async (names: readonly string[], { until }: Validity) => {
    const batch = new BlobBatch()
    for (const name of names) {
      const url = await signatures.deleteUrl(name, until)
      if (url === undefined) throw new StorageError('UNSUPPORTED', { path: '/', message: NO_KEY })
      await batch.deleteBlob(url.href, new AnonymousCredential(), { deleteSnapshots: 'include' })
    }
    try {
      const { subResponses, _response } = await once.getBlobBatchClient().submitBatch(batch)
      if (subResponses.length < names.length) return 'unknown'
      const time = Date.parse(_response.headers.get('date') ?? '')
      return outcomeOfAll(
        subResponses.map(({ status }) => status),
        { isOver: time >= until.getTime() },
      )
    } catch (cause) {
      return outcomeOf(cause, until)
    }
  }
  const probe = { container, temporary, now }
  const findMissing = async (): Promise<string | undefined> => {
    if ((await signatures.deleteUrl(`${temporary}probe`, new Date(0))) === undefined) return NO_KEY
    return probeExpiry(probe, send)
  }
  const isHonoured = async (): Promise<boolean> => {
    try {
      const sendOne = async (name: string, validity: Validity) =>
        (await sendBatch([name], validity)) ?? 'unknown'
      return (await probeExpiry(probe, sendOne)) === undefined
    } catch (error) {
      // A service that rejects it for any reason is asked for one blob at a time.
      if (error instanceof StorageError && error.code === 'BACKEND_FAILED') return false
      throw error
    }
  }
  return { send, now, findMissing, batch: { send: sendBatch, isHonoured } } satisfies ExpiringDeletesParts
}

/** The missing capability. Undefined if the service rejects expired requests, and accepts others. */
async function probeExpiry(
  {
    container,
    temporary,
    now,
  }: Pick<AzureConnection, 'container'> & {
    temporary: string
    now: () => Promise<Date>
  },
  send: ExpiringDeletesParts['send'],
): Promise<string | undefined> {
  const name = `${temporary}probe.${randomUUID()}`
  const blob = container.getBlockBlobClient(name)
  const isThere = async () => (await propertiesOf(blob)) !== undefined
  const content = Buffer.from('a probe of the capabilities of the store; it can be removed')
  await blob.upload(content, content.byteLength)
  try {
    const time = (await now()).getTime()
    const late = await send(name, { from: new Date(time - 180_000), until: new Date(time - 120_000) })
    if (late !== 'expired' || !(await isThere()))
      return `the service accepts an expired delete request (it was ${late})`
    const inTime = await send(name, { from: new Date(time), until: new Date(time + 60_000) })
    if (inTime !== 'deleted' || (await isThere()))
      return `the service rejects a delete request to a signed URL (it was ${inTime})`
    return undefined
  } finally {
    await blob.deleteIfExists()
  }
}

/** The outcome of a batch by the statuses of its parts. Undefined if a part was refused for another reason than
 *  its age. */
function outcomeOfAll(
  statuses: readonly number[],
  { isOver }: { isOver: boolean },
): DeleteOutcome | undefined {
  const failed = statuses.filter((status) => status >= 300 && status !== 404)
  if (failed.length === 0) return 'deleted'
  if (isOver && failed.includes(403)) return 'expired'
  return failed.every(isTemporary) ? 'unknown' : undefined
}

function isTemporary(status: number): boolean {
  return status === 408 || status === 429 || status >= 500
}

/** The outcome of a request.
 *  @throws StorageError BACKEND_FAILED if it was refused for another reason */
function outcomeOf(cause: unknown, until: Date): DeleteOutcome {
  if (!(cause instanceof RestError) || cause.statusCode === undefined) return 'unknown'
  const { statusCode, response } = cause
  if (statusCode === 404) return 'deleted'
  if (isTemporary(statusCode)) return 'unknown'
  const time = Date.parse(response?.headers.get('date') ?? '')
  if (statusCode === 403 && time >= until.getTime()) return 'expired'
  const message = `the service refuses to delete a blob: ${reasonOf(cause)}`
  throw new StorageError('BACKEND_FAILED', { path: '/', message, cause })
}
