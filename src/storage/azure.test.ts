import { request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import {
  type ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  collectAll,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
  namesIn,
  writeFile,
} from '../../test/contract/storage-driver/support.ts'
import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { azureSettings, openAzureDriver } from '../../test/support/azure-driver.ts'
import { AZURITE_ACCOUNT, AZURITE_KEY, Azurite } from '../../test/support/azurite.ts'
import { freePort } from '../../test/support/free-port.ts'
import { quiet } from '../../test/support/http-registry.ts'
import type { StorageError } from '../core/errors.ts'
import type { FileWriter, StorageDriver } from '../core/storage-driver.ts'
import type { AzureSettings } from './azure/settings.ts'
import { AzureDriver } from './azure.ts'

const MIB = 1024 * 1024

// The emulator has one thread, so it is slow under load.
vi.setConfig({ testTimeout: 120_000 })

let azurite: Azurite
beforeAll(async () => {
  azurite = await Azurite.start()
})
afterAll(() => azurite.stop())

// A few more than a page of a listing.
describeStorageDriver('azure', () => openAzureDriver(azurite), { manyChildren: 5_500 })

describe('the azure driver', () => {
  let container: ContainerClient
  let driver: StorageDriver
  const opened: StorageDriver[] = []

  async function open(changes: Partial<AzureSettings> = {}): Promise<StorageDriver> {
    const { containerName } = container
    const settings = azureSettings({ container: containerName, serviceurl: azurite.serviceUrl, ...changes })
    const another = await AzureDriver.open(settings, { log: quiet })
    opened.push(another)
    return another
  }

  beforeEach(async () => {
    container = await azurite.container()
    driver = await open()
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()))
    await container.deleteIfExists()
  })

  const typeOf = async (name: string) => (await container.getBlobClient(name).getProperties()).blobType

  describe('in a container of Distribution', () => {
    it('has its names and types of blobs', async () => {
      await driver.put('/a/link', Buffer.from('content'))
      await writeFile(driver, '/a/data', [Buffer.from('content')])
      expect(await typeOf('the/root/a/link')).toBe('BlockBlob')
      expect(await typeOf('the/root/a/data')).toBe('AppendBlob')
    })

    it('reads and goes on with what that has appended', async () => {
      const blob = container.getAppendBlobClient('the/root/a/data')
      await blob.create()
      await blob.appendBlock('theirs, ', 8)
      await writeFile(driver, '/a/data', [Buffer.from('ours')])
      await blob.appendBlock(', theirs', 8)
      expect(Buffer.from(await driver.get('/a/data')).toString()).toBe('theirs, ours, theirs')
    })

    it('finds what generation 2 has written, with a slash in front', async () => {
      const legacy = await open({ rootdirectory: '', legacyrootprefix: true })
      const content = 'content'
      await container.getBlockBlobClient('/docker/registry/v2/file').upload(content, content.length)
      expect(Buffer.from(await legacy.get('/docker/registry/v2/file')).toString()).toBe(content)
      expect(await namesIn(legacy, '/')).toEqual(['docker'])
      await legacy.put('/docker/other', Buffer.from('content'))
      expect(await container.getBlobClient('/docker/other').exists()).toBe(true)
      expect(await namesIn(await open({ rootdirectory: '' }), '/')).toEqual([])
    })
  })

  describe('appending', () => {
    it('what was put becomes an append blob, whole', async () => {
      const content = distinctBytes(9 * MIB)
      await driver.put('/file', content)
      await writeFile(driver, '/file', [Buffer.from('more')])
      const { blobType, blobCommittedBlockCount } = await container
        .getBlobClient('the/root/file')
        .getProperties()
      expect(blobType).toBe('AppendBlob')
      expect(blobCommittedBlockCount).toBe(4)
      expectSameBytes(await driver.get('/file'), Buffer.concat([content, Buffer.from('more')]))
      expect(await collectAll(driver.incompleteUploads())).toEqual([])
    })

    it('what was put empty becomes an append blob', async () => {
      await driver.put('/file', Buffer.alloc(0))
      await writeFile(driver, '/file', [Buffer.from('more')])
      expect(await typeOf('the/root/file')).toBe('AppendBlob')
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('more')
    })

    it('blocks have 4 MiB, but for the last before a sync', async () => {
      const writer = await driver.append('/file', { offset: 0 })
      await writer.write(Buffer.alloc(9 * MIB))
      await writer.sync()
      const blocks = async () =>
        (await container.getBlobClient('the/root/file').getProperties()).blobCommittedBlockCount
      expect(await blocks()).toBe(3)
      await writer.sync()
      await writer.close()
      expect(await blocks()).toBe(3)
    })

    it('a caller that waits has no more than two blocks in memory', async () => {
      const writer = await driver.append('/file', { offset: 0 })
      expect(writer.write(Buffer.alloc(4 * MIB - 1))).toBeUndefined()
      expect(writer.write(Buffer.alloc(1)), 'the first block is sent').toBeUndefined()
      const waiting = writer.write(Buffer.alloc(4 * MIB))
      expect(waiting, 'the second waits for that').toBeInstanceOf(Promise)
      await waiting
      const { contentLength } = await container.getBlobClient('the/root/file').getProperties()
      expect(contentLength).toBeGreaterThanOrEqual(4 * MIB)
      await writer.close()
    })

    it('what another replica has appended since is neither written over nor left behind', async () => {
      const version = await writeFile(driver, '/file', [Buffer.from('ours, ')])
      const whole = await writeFile(await open(), '/file', [Buffer.from('theirs')])
      const writer = await driver.append('/file', { offset: 6, version })
      expect(await writeAll(writer, Buffer.from('lost'))).toMatchObject({ code: 'OFFSET_INVALID' })
      await expectStorageError(driver.append('/file', { offset: 6 }), 'OFFSET_INVALID')
      await expectStorageError(driver.move('/file', '/elsewhere', { version }), 'OFFSET_INVALID')
      expect(await driver.move('/file', '/elsewhere', { version: whole, replace: false })).toBe(true)
      expect(Buffer.from(await driver.get('/elsewhere')).toString()).toBe('ours, theirs')
    })

    it('a file that is moved is the whole of it, also what another replica has appended', async () => {
      await writeFile(driver, '/file', [Buffer.from('ours, ')])
      await writeFile(await open(), '/file', [Buffer.from('theirs')])
      expect(await driver.move('/file', '/elsewhere', { replace: false })).toBe(true)
      expect(Buffer.from(await driver.get('/elsewhere')).toString()).toBe('ours, theirs')
    })

    it('what was put over an appended file of the same length can be appended to', async () => {
      await writeFile(driver, '/file', [Buffer.from('one')])
      await driver.put('/file', Buffer.from('two'))
      const writer = await driver.append('/file', { offset: 3 })
      expect(await writeAll(writer, Buffer.from(' more'))).toBeUndefined()
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('two more')
    })

    it('what was deleted is not appended to', async () => {
      await writeFile(driver, '/file', [Buffer.from('one')])
      await driver.delete('/file')
      await expectStorageError(driver.append('/file', { offset: 3 }), 'OFFSET_INVALID')
    })

    it('of two writers at one place one goes on, and the other is told', async () => {
      const second = await open()
      const writers = [
        await driver.append('/file', { offset: 0 }),
        await second.append('/file', { offset: 0 }),
      ]
      const contents = writers.map((_, index) => distinctBytes(6 * MIB, index))
      const outcomes = await Promise.all(writers.map((writer, index) => writeAll(writer, contents[index]!)))
      const [winner] = [0, 1].filter((index) => outcomes[index] === undefined)
      expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(1)
      expect(outcomes.find((outcome) => outcome !== undefined)).toMatchObject({ code: 'OFFSET_INVALID' })
      expectSameBytes(await driver.get('/file'), contents[winner!]!)
    })

    it('of two writers of the same bytes at one place one goes on, too', async () => {
      const writers = [
        await driver.append('/file', { offset: 0 }),
        await (await open()).append('/file', { offset: 0 }),
      ]
      const outcomes: (StorageError | undefined)[] = []
      for (const writer of writers) outcomes.push(await writeAll(writer, Buffer.from('same')))
      expect(outcomes.filter((outcome) => outcome === undefined)).toHaveLength(1)
      expect(outcomes.find((outcome) => outcome !== undefined)).toMatchObject({ code: 'OFFSET_INVALID' })
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('same')
    })

    it('a writer whose file was replaced meanwhile writes nothing into the new one', async () => {
      const writer = await driver.append('/file')
      await writer.write(Buffer.from('four'))
      await writer.sync()
      await container.getBlobClient('the/root/file').delete()
      await writeFile(await open(), '/file', [Buffer.from('five')])
      await writer.write(Buffer.from(' more'))
      await expectStorageError(writer.sync(), 'OFFSET_INVALID')
      await writer.close().catch(() => undefined)
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('five')
    })

    it('a writer that has failed stays so, and knows how much is there', async () => {
      const writer = await driver.append('/file')
      await writer.write(Buffer.from('kept'))
      await writer.sync()
      await container.getAppendBlobClient('the/root/file').appendBlock('!', 1)
      await writer.write(Buffer.from('lost'))
      await expectStorageError(writer.sync(), 'OFFSET_INVALID')
      await expectStorageError(Promise.resolve(writer.write(Buffer.from('late'))), 'OFFSET_INVALID')
      await expectStorageError(writer.sync(), 'OFFSET_INVALID')
      await expectStorageError(writer.close(), 'OFFSET_INVALID')
      expect(writer.size).toBe(4)
    })
  })

  describe('move and delete', () => {
    it('a file that is not to be replaced stays', async () => {
      await driver.put('/one', Buffer.from('one'))
      await driver.put('/two', Buffer.from('two'))
      expect(await driver.move('/one', '/two', { replace: false })).toBe(false)
      expect(Buffer.from(await driver.get('/two')).toString()).toBe('two')
      expect(Buffer.from(await driver.get('/one')).toString()).toBe('one')
      expect(await driver.move('/one', '/three', { replace: false })).toBe(true)
      expect(await namesIn(driver, '/')).toEqual(['three', 'two'])
    })

    it('a file that may stay does', async () => {
      await driver.put('/one', Buffer.from('one'))
      expect(await driver.move('/one', '/two', { mayStay: true })).toBe(true)
      expect(await namesIn(driver, '/')).toEqual(['one', 'two'])
    })

    it('of a folder whose files are known those alone are removed', async () => {
      for (const name of ['one', 'two', 'three']) await driver.put(`/a/${name}`, Buffer.from(name))
      await driver.delete('/a', { knownChildren: ['one', 'two', 'absent'] })
      expect(await namesIn(driver, '/a')).toEqual(['three'])
    })
  })

  describe('redirectUrl', () => {
    it('lets whoever has it read the file, for twenty minutes', async () => {
      await driver.put('/a/file', Buffer.from('content'))
      const url = await driver.redirectUrl('/a/file')
      expect(await fetchPlainly(url!)).toEqual({ status: 200, body: 'content' })
      expect(await fetchPlainly(url!, { method: 'DELETE' })).toMatchObject({ status: 403 })
      const lifetime = Date.parse(url!.searchParams.get('se')!) - Date.now()
      expect(lifetime).toBeGreaterThan(19 * 60_000)
      expect(lifetime).toBeLessThanOrEqual(20 * 60_000)
      url!.pathname += 'other'
      expect(await fetchPlainly(url!)).toMatchObject({ status: 403 })
    })

    it('there is none where nothing is at hand to sign with', async () => {
      const signed = await open({
        accountname: '',
        accountkey: '',
        serviceurl: '',
        connectionstring: signedConnectionString(container),
      })
      await signed.put('/file', Buffer.from('content'))
      await signed.move('/file', '/other')
      expect(Buffer.from(await signed.get('/other')).toString()).toBe('content')
      expect(await signed.redirectUrl('/other')).toBeUndefined()
    })
  })

  it('a connection string is enough', async () => {
    const another = await open({
      accountname: '',
      accountkey: '',
      serviceurl: '',
      connectionstring: azurite.connectionString,
    })
    await another.put('/a/file', Buffer.from('content'))
    const url = await another.redirectUrl('/a/file')
    expect(await fetchPlainly(url!)).toEqual({ status: 200, body: 'content' })
    expect(Buffer.from(await driver.get('/a/file')).toString()).toBe('content')
  })

  describe('at start', () => {
    it('a container that is missing is named', async () => {
      const error = await expectStorageError(open({ container: 'missing' }), 'BACKEND_FAILED')
      expect(error.message).toMatch(
        /cannot use the container missing of http:\S+: there is no such container/,
      )
    })

    it('a key that is wrong is told', async () => {
      const accountkey = Buffer.from('wrong').toString('base64')
      const error = await expectStorageError(open({ accountkey }), 'BACKEND_FAILED')
      // The service answers AuthenticationFailed, the emulator AuthorizationFailure.
      expect(error.message).toMatch(/cannot use the container .*: the (service|account) does not /)
    })

    it('a service that cannot be reached is told', async () => {
      const serviceurl = `http://127.0.0.1:${await freePort()}/${AZURITE_ACCOUNT}`
      const error = await expectStorageError(open({ serviceurl }), 'BUSY')
      expect(error.message).toMatch(/cannot use the container \S+ of http:\S+: .*ECONNREFUSED/)
    })
  })

  it('a container that goes is an outage, and never a file that is not there', async () => {
    await driver.put('/file', Buffer.from('content'))
    await container.delete()
    const work = [
      () => driver.stat('/file'),
      () => driver.get('/file'),
      () => driver.put('/file', Buffer.from('content')),
      () => driver.append('/file'),
      () => driver.append('/file', { offset: 0 }),
      () => collectAll(driver.list('/')),
      () => driver.move('/file', '/other'),
      () => driver.move('/file', '/other', { replace: false }),
      () => driver.delete('/file'),
      () => collectAll(driver.incompleteUploads()),
    ]
    for (const one of work) await expectStorageError(one(), 'BACKEND_FAILED')
  })

  it('what a conversion has left is found and removed', async () => {
    await container.getAppendBlobClient('the/root/~temporary/1').create()
    expect(await namesIn(driver, '/')).toEqual([])
    const [incomplete] = await collectAll(driver.incompleteUploads())
    expect(incomplete).toMatchObject({ path: '/~temporary/1', modifiedAt: expect.any(Date) })
    await incomplete!.remove()
    expect(await collectAll(driver.incompleteUploads())).toEqual([])
  })
})

/** Writes and syncs. Returns the error, if there is one. */
async function writeAll(writer: FileWriter, content: Buffer): Promise<StorageError | undefined> {
  try {
    await writer.write(Buffer.from(content))
    await writer.sync()
    await writer.close()
    return undefined
  } catch (error) {
    return error as StorageError
  }
}

async function fetchPlainly(
  url: URL,
  { method = 'GET' } = {},
): Promise<{ status: number | undefined; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; body: string }>()
  const outgoing = request(url, { method, agent: false }, (incoming) => {
    buffer(incoming).then((body) => resolve({ status: incoming.statusCode, body: body.toString() }), reject)
  })
  outgoing.on('error', reject).end()
  return promise
}

/** A connection string as a portal issues it for one container: an address and a signature, without a key. */
function signedConnectionString({ containerName, url }: ContainerClient): string {
  const signature = generateBlobSASQueryParameters(
    {
      containerName,
      permissions: ContainerSASPermissions.parse('racwdl'),
      expiresOn: new Date(Date.now() + 3_600_000),
    },
    new StorageSharedKeyCredential(AZURITE_ACCOUNT, AZURITE_KEY),
  )
  return `BlobEndpoint=${url.slice(0, -containerName.length - 1)};SharedAccessSignature=${signature}`
}
