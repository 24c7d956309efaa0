/** The remembered state of an upload, while other processes continue it: several registries over one
 *  storage. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chunksOf, expectRegistryError, filesIn } from '../../../test/contract/registry/support.ts'
import { collect } from '../../../test/contract/storage-driver/support.ts'
import { BucketLikeDriver } from '../../../test/support/bucket-like-driver.ts'
import { FaultyDriver } from '../../../test/support/faulty-driver.ts'
import { quiet } from '../../../test/support/http-registry.ts'
import { digestOf } from '../../core/digest.ts'
import { RegistryError, StorageError } from '../../core/errors.ts'
import { DEFAULT_POLICY } from '../../core/manifest/policy.ts'
import { parseRepositoryName } from '../../core/reference.ts'
import type { BlobService, BlobUpload } from '../../core/registry.ts'
import { MemoryDriver } from '../../storage/memory.ts'
import { StoredRegistry } from '../registry.ts'

const name = parseRepositoryName('a')
const digestOfText = (text: string) => digestOf(Buffer.from(text))

/** The same repository in several replicas, which share only the storage. */
function replicasOver(driver: FaultyDriver, count = 2): BlobService[] {
  const replica = () =>
    new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet }).repository(name).blobs
  return Array.from({ length: count }, replica)
}

function twoReplicas() {
  const driver = new FaultyDriver(new MemoryDriver())
  const [here, there] = replicasOver(driver) as [BlobService, BlobService]
  return { driver, here, there }
}

/** Resumes the upload as a request does. */
function recalled(blobs: BlobService, id: string): Promise<BlobUpload> {
  return blobs.resume(id)
}

async function patch(blobs: BlobService, id: string, text: string, offset?: number): Promise<number> {
  const upload = await recalled(blobs, id)
  await upload.append(chunksOf(text), offset === undefined ? {} : { offset })
  return upload.size
}

async function finish(blobs: BlobService, id: string, text: string) {
  return (await recalled(blobs, id)).commit(digestOfText(text))
}

async function push(blobs: BlobService, text: string): Promise<void> {
  const upload = await blobs.createUpload()
  await upload.append(chunksOf(text))
  await upload.commit(digestOfText(text))
}

async function textIn(blobs: BlobService, text: string): Promise<string> {
  return (await collect((await blobs.open(digestOfText(text))).read())).toString()
}

describe('an upload that this process began', () => {
  it('is gone on with and finished without looking it up', async () => {
    const { driver, here } = twoReplicas()
    const { id } = await here.createUpload({ owner: 'user:alice' })
    driver.forget()
    const upload = await here.resume(id, { owner: 'user:alice' })
    await upload.append(chunksOf('hello'))
    await (await here.resume(id, { owner: 'user:alice' })).commit(digestOfText('hello'))
    expect(driver.calls.map(({ method }) => method).filter((method) => !method.startsWith('writer'))).toEqual(
      ['append', 'put', 'move', 'put', 'delete'],
    )
  })

  it('is another one’s upload for strangers, whoever asks first', async () => {
    const { here } = twoReplicas()
    const { id } = await here.createUpload({ owner: 'user:alice' })
    for (const owner of ['user:bob', '', 'user:alice2']) {
      await expectRegistryError(here.resume(id, { owner }), 'BLOB_UPLOAD_UNKNOWN')
    }
    expect((await here.resume(id)).id).toBe(id)
  })

  it('that was gone on with by somebody who was not asked who they are is still its owner’s', async () => {
    const { here, there } = twoReplicas()
    const { id } = await here.createUpload({ owner: 'user:alice' })
    await patch(there, id, 'hello')
    await expectRegistryError(there.resume(id, { owner: 'user:bob' }), 'BLOB_UPLOAD_UNKNOWN')
    expect((await there.resume(id, { owner: 'user:alice' })).size).toBe(5)
  })

  it('belongs to its repository', async () => {
    const driver = new FaultyDriver(new MemoryDriver())
    const registry = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet })
    const { id } = await registry.repository(name).blobs.createUpload()
    const other = registry.repository(parseRepositoryName('b')).blobs
    await expectRegistryError(recalled(other, id), 'BLOB_UPLOAD_UNKNOWN')
  })

  it('is looked up where storage is to be asked', async () => {
    const { here, there } = twoReplicas()
    const { id } = await here.createUpload()
    await patch(there, id, 'hello')
    expect((await here.getUpload(id)).size).toBe(5)
    expect((await recalled(here, id)).size).toBe(0)
  })
})

describe('an upload that another replica has gone on with', () => {
  it.each([true, false])('takes chunks from both in turns (with their offset: %s)', async (isNamed) => {
    const { here, there } = twoReplicas()
    const { id } = await here.createUpload()
    let sent = ''
    for (const [index, chunk] of ['a', 'bc', 'def', 'ghij', 'k', 'l'].entries()) {
      const offset = isNamed ? sent.length : undefined
      sent += chunk
      expect(await patch(index % 3 === 0 ? there : here, id, chunk, offset)).toBe(sent.length)
    }
    await finish(there, id, sent)
    expect(await textIn(here, sent)).toBe(sent)
  })

  it('refuses a chunk that was there before, and says where it stands', async () => {
    const { here, there } = twoReplicas()
    const { id } = await here.createUpload()
    await patch(here, id, 'hello', 0)
    await patch(there, id, ', world', 5)
    const stale = await recalled(here, id)
    await expectRegistryError(stale.append(chunksOf(', world'), { offset: 5 }), 'RANGE_INVALID')
    expect(stale.size).toBe(12)
    await finish(here, id, 'hello, world')
  })

  it('is finished with the digest of all of it', async () => {
    const { here, there } = twoReplicas()
    const { id } = await here.createUpload()
    await patch(here, id, 'hello')
    await patch(there, id, ', world')
    await finish(here, id, 'hello, world')
    expect(await textIn(there, 'hello, world')).toBe('hello, world')
  })

  it.each(['hello', ''])(
    'is not finished with the digest of its beginning %j, whether there is such a blob or not',
    async (known) => {
      const { driver, here, there } = twoReplicas()
      for (const isThere of [false, true]) {
        if (isThere) await push(there, known)
        const { id } = await here.createUpload()
        if (known !== '') await patch(here, id, known)
        await patch(there, id, 'hello, world'.slice(known.length))
        await expectRegistryError(finish(here, id, known), 'DIGEST_INVALID')
        expect(await here.has(digestOfText(known))).toBe(isThere)
        expect(Object.keys(await filesIn(driver))).toHaveLength(isThere ? 2 : 0)
      }
    },
  )

  it.each(['hello', 'other'])(
    'is not finished with %j by a request that had read less of it',
    async (text) => {
      const { driver, here, there } = twoReplicas()
      const upload = await here.createUpload()
      await upload.append(chunksOf('hello'), { last: true })
      await patch(there, upload.id, ', world')
      await expectRegistryError(upload.commit(digestOfText(text)), 'RANGE_INVALID')
      expect(upload.size).toBe(12)
      expect(Object.keys(await filesIn(driver)).filter((path) => path.includes('/blobs/'))).toEqual([])
      await finish(there, upload.id, 'hello, world')
      expect(await textIn(here, 'hello, world')).toBe('hello, world')
    },
  )

  it('is removed for a wrong digest only when storage has no more than is known', async () => {
    const { driver, here } = twoReplicas()
    const { id } = await here.createUpload()
    await patch(here, id, 'hello')
    driver.forget()
    await expectRegistryError(finish(here, id, 'other'), 'DIGEST_INVALID')
    const asked = driver.calls.map(({ method }) => method)
    expect(asked.indexOf('stat')).toBeGreaterThanOrEqual(0)
    expect(asked.indexOf('stat')).toBeLessThan(asked.indexOf('delete'))
    expect(await filesIn(driver)).toEqual({})
  })

  it('that was cancelled there is unknown here once it had bytes', async () => {
    const { driver, here, there } = twoReplicas()
    const { id } = await here.createUpload()
    await patch(here, id, 'hello')
    await (await there.getUpload(id)).cancel()
    await expectRegistryError(finish(here, id, 'hello'), 'BLOB_UPLOAD_UNKNOWN')
    await expectRegistryError(patch(here, id, 'x'), 'BLOB_UPLOAD_UNKNOWN')
    expect(await filesIn(driver)).toEqual({})
  })

  it.each([undefined, 5])('that was cancelled there takes no more bytes here (at %s)', async (offset) => {
    const { driver, here, there } = twoReplicas()
    const { id } = await here.createUpload()
    await patch(here, id, 'hello')
    await (await there.getUpload(id)).cancel()
    await expectRegistryError(patch(here, id, ', world', offset), 'BLOB_UPLOAD_UNKNOWN')
    expect(await filesIn(driver)).toEqual({})
  })

  it.each([undefined, 5])('that is being removed there takes no more bytes here (at %s)', async (offset) => {
    const { driver, here, there } = twoReplicas()
    const { id } = await there.createUpload()
    await patch(there, id, 'hello')
    const upload = await here.getUpload(id)
    const data = Object.keys(await filesIn(driver)).find((path) => path.endsWith('/data')) ?? ''
    // The file that makes it an upload is deleted last; an object store has nothing to append to.
    await driver.delete(data)
    driver.fault = ({ method, path }) =>
      method === 'append' ? new StorageError('PATH_NOT_FOUND', { path }) : undefined
    await expectRegistryError(
      upload.append(chunksOf(', world'), offset === undefined ? {} : { offset }),
      'BLOB_UPLOAD_UNKNOWN',
    )
  })

  it('whose bytes nobody knew by their digest is finished here after a finish was cut short there', async () => {
    const driver = new FaultyDriver(new MemoryDriver())
    const [here, writer, finisher] = replicasOver(driver, 3) as [BlobService, BlobService, BlobService]
    const { id } = await here.createUpload()
    await patch(here, id, 'hel')
    await patch(writer, id, 'lo')
    driver.fault = ({ method, path }) =>
      method === 'put' && path.includes('/_layers/')
        ? new StorageError('BACKEND_FAILED', { path })
        : undefined
    await expect(finish(finisher, id, 'hello')).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
    driver.fault = () => undefined
    await finish(here, id, 'hello')
    expect(await textIn(here, 'hello')).toBe('hello')
  })

  it.each(['one process', 'several'])(
    'whose finish with its last bytes was cut short there is finished here by the same request (%s)',
    async (writers) => {
      const driver = new FaultyDriver(new MemoryDriver())
      const [here, writer, other] = replicasOver(driver, 3) as [BlobService, BlobService, BlobService]
      const { id } = await here.createUpload()
      await patch(writer, id, 'hel')
      const finishWithTail = async (at: BlobService) => {
        const upload = await at.getUpload(id)
        await upload.append(chunksOf('lo'), { last: true })
        return upload.commit(digestOfText('hello'))
      }
      driver.fault = ({ method, path }) =>
        method === 'put' && path.includes('/_layers/')
          ? new StorageError('BACKEND_FAILED', { path })
          : undefined
      const finisher = writers === 'several' ? other : writer
      await expect(finishWithTail(finisher)).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
      driver.fault = () => undefined
      await finishWithTail(here)
      expect(await textIn(here, 'hello')).toBe('hello')
      expect(Object.keys(await filesIn(driver))).toHaveLength(2)
    },
  )

  it.each(['move', 'put'])('whose finish was cut short there at its %s is finished here', async (method) => {
    const { driver, here, there } = twoReplicas()
    const { id } = await here.createUpload()
    await patch(here, id, 'hello')
    driver.fault = (call) =>
      call.method === method ? new StorageError('BACKEND_FAILED', { path: call.path }) : undefined
    await expect(finish(there, id, 'hello')).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
    driver.fault = () => undefined
    await finish(here, id, 'hello')
    expect(await textIn(there, 'hello')).toBe('hello')
    expect(Object.keys(await filesIn(driver))).toHaveLength(2)
  })

  it.each(['HELLO', 'hello'])(
    'that was removed and begun anew is finished by the bytes it has (%j)',
    async (anew) => {
      const driver = new FaultyDriver(new MemoryDriver())
      const [beginner, writer, canceller] = replicasOver(driver, 3) as [BlobService, BlobService, BlobService]
      const { id } = await beginner.createUpload()
      await patch(writer, id, 'hello')
      await (await canceller.getUpload(id)).cancel()
      await patch(beginner, id, anew)
      const outcome = await finish(writer, id, 'hello').catch(codeOf)
      if (anew === 'hello') expect(outcome).toMatchObject({ size: 5 })
      else expect(outcome).toBe('DIGEST_INVALID')
      expect(await writer.has(digestOfText('hello'))).toBe(anew === 'hello')
    },
  )

  it('is finished by the bytes it has where a driver knows that they are not what was written', async () => {
    const { driver, here } = twoReplicas()
    const { id } = await here.createUpload()
    await patch(here, id, 'hello')
    const folder = `/docker/registry/v2/repositories/a/_uploads/${id}`
    await driver.delete(folder)
    await driver.put(`${folder}/data`, Buffer.from('HELLO'))
    driver.forget()
    driver.fault = ({ method, path }) =>
      method === 'move' && driver.count('move') === 1
        ? new StorageError('OFFSET_INVALID', { path })
        : undefined
    await expectRegistryError(finish(here, id, 'hello'), 'DIGEST_INVALID')
    expect(await filesIn(driver)).toEqual({})
  })

  it('goes on with the bytes it has where a driver knows that they are not what was written', async () => {
    const { driver, here } = twoReplicas()
    const { id } = await here.createUpload()
    await patch(here, id, 'hello')
    const folder = `/docker/registry/v2/repositories/a/_uploads/${id}`
    await driver.delete(folder)
    await driver.put(`${folder}/data`, Buffer.from('HELLO'))
    driver.forget()
    driver.fault = ({ method, path }) =>
      method === 'append' && driver.count('append') === 1
        ? new StorageError('OFFSET_INVALID', { path })
        : undefined
    expect(await patch(here, id, ', world', 5)).toBe(12)
    await finish(here, id, 'HELLO, world')
    expect(await textIn(here, 'HELLO, world')).toBe('HELLO, world')
  })

  it('that was finished there is finished here with the same answer', async () => {
    const { here, there } = twoReplicas()
    const { id } = await here.createUpload()
    await patch(here, id, 'hello')
    expect(await finish(there, id, 'hello')).toEqual(await finish(here, id, 'hello'))
    await expectRegistryError(patch(here, id, ', world'), 'BLOB_UPLOAD_UNKNOWN')
  })
})

/** A client's request to a replica. */
interface Request {
  readonly at: number
  readonly kind: 'patch' | 'put' | 'put with bytes' | 'put of a part' | 'status' | 'cancel'
  readonly text: string
  readonly isNamed: boolean
}

const requests = fc.array(
  fc.record<Request>({
    at: fc.nat(2),
    kind: fc.constantFrom(
      'patch',
      'patch',
      'patch',
      'status',
      'put',
      'put with bytes',
      'put of a part',
      'cancel',
    ),
    text: fc.string({ maxLength: 4, unit: 'grapheme-ascii' }),
    isNamed: fc.boolean(),
  }),
  { maxLength: 12 },
)

/** A client that checks that each answer stays true. */
class Client {
  readonly #replicas: readonly BlobService[]
  readonly #checksLate: boolean
  #id = ''
  #taken = ''
  #isThere = true

  constructor(replicas: readonly BlobService[], { checksLate }: { checksLate: boolean }) {
    this.#replicas = replicas
    this.#checksLate = checksLate
  }

  async begin(): Promise<void> {
    this.#id = (await this.#replicas[0]!.createUpload()).id
  }

  async send(request: Request): Promise<void> {
    const blobs = this.#replicas[request.at]!
    if (request.kind === 'status') await this.#status(blobs)
    else if (request.kind === 'patch') await this.#patch(blobs, request)
    else if (request.kind === 'cancel') await this.#cancel(blobs)
    else await this.#put(blobs, request)
  }

  async #status(blobs: BlobService): Promise<void> {
    const size = await blobs.getUpload(this.#id).then((upload) => upload.size, codeOf)
    expect(size).toBe(this.#isThere ? this.#taken.length : 'BLOB_UPLOAD_UNKNOWN')
  }

  async #cancel(blobs: BlobService): Promise<void> {
    await blobs.getUpload(this.#id).then((upload) => upload.cancel(), codeOf)
    this.#gone()
  }

  async #patch(blobs: BlobService, { text, isNamed }: Request): Promise<boolean> {
    const outcome = await patch(blobs, this.#id, text, isNamed ? this.#taken.length : undefined).catch(codeOf)
    if (typeof outcome === 'number') {
      // An upload that is gone may restart at a replica that does not know.
      this.#isThere = true
      this.#taken += text
      expect(outcome).toBe(this.#taken.length)
      return true
    }
    // Without bytes, a replica may use a version that another one has replaced without adding bytes.
    const isOutOfStep = this.#checksLate && (!isNamed || this.#taken === '')
    expect(outcome).toBe(this.#isThere ? isOutOfStep && 'RANGE_INVALID' : 'BLOB_UPLOAD_UNKNOWN')
    return false
  }

  async #put(blobs: BlobService, request: Request): Promise<void> {
    if (request.kind === 'put with bytes' && !(await this.#patch(blobs, request))) return
    const isAll = request.kind !== 'put of a part' || this.#taken === ''
    const text = isAll ? this.#taken : this.#taken.slice(0, -1)
    const outcome = await finish(blobs, this.#id, text).then(() => 'finished', codeOf)
    if (!this.#isThere) return
    if (isAll) {
      expect(outcome).toBe('finished')
      for (const one of this.#replicas) expect(await textIn(one, text)).toBe(text)
    } else {
      expect(outcome).toBeOneOf(['RANGE_INVALID', 'DIGEST_INVALID'])
    }
    if (outcome !== 'RANGE_INVALID') this.#gone()
    await this.#status(blobs)
  }

  #gone(): void {
    this.#isThere = false
    this.#taken = ''
  }
}

function codeOf(error: unknown): string {
  if (error instanceof RegistryError) return error.code
  throw error
}

it.each([
  { when: 'at once', driver: new FaultyDriver(new MemoryDriver()) },
  { when: 'late', driver: new BucketLikeDriver(new MemoryDriver()) },
])(
  'whatever comes in whatever order, nothing that was taken is lost (offsets are checked $when)',
  async ({ when, driver }) => {
    const replicas = replicasOver(driver, 3)
    await fc.assert(
      fc.asyncProperty(requests, async (sequence) => {
        const client = new Client(replicas, { checksLate: when === 'late' })
        await client.begin()
        for (const request of sequence) await client.send(request)
      }),
      { numRuns: 2_000 },
    )
  },
)
