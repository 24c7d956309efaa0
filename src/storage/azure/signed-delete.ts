import { randomUUID } from 'node:crypto'
import { AnonymousCredential, BlobClient, newPipeline, RestError } from '@azure/storage-blob'
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

/** Delete requests that expire: sent to a signed URL ("Create a service SAS"), once each. */
export function signedDeletes({ connection, signatures, temporary }: SignedDeletesParts) {
  const { container, pipelineOptions } = connection
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
  const findMissing = async (): Promise<string | undefined> => {
    const name = `${temporary}probe.${randomUUID()}`
    if ((await signatures.deleteUrl(name, new Date(0))) === undefined) return NO_KEY
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
  return { send, now, findMissing } satisfies ExpiringDeletesParts
}

/** The outcome of a request.
 *  @throws StorageError BACKEND_FAILED if it was refused for another reason */
function outcomeOf(cause: unknown, until: Date): DeleteOutcome {
  if (!(cause instanceof RestError) || cause.statusCode === undefined) return 'unknown'
  const { statusCode, response } = cause
  if (statusCode === 404) return 'deleted'
  if (statusCode === 408 || statusCode === 429 || statusCode >= 500) return 'unknown'
  const time = Date.parse(response?.headers.get('date') ?? '')
  if (statusCode === 403 && time >= until.getTime()) return 'expired'
  const message = `the service refuses to delete a blob: ${reasonOf(cause)}`
  throw new StorageError('BACKEND_FAILED', { path: '/', message, cause })
}
