/** What the driver makes of a service that fails, of answers that are lost, and of what the emulator does not do by itself. */
import type { ContainerClient } from '@azure/storage-blob'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  collect,
  collectAll,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
  writeFile,
} from '../../../test/contract/storage-driver/support.ts'
import { azureSettings } from '../../../test/support/azure-driver.ts'
import { AZURITE_ACCOUNT, Azurite } from '../../../test/support/azurite.ts'
import {
  type ChooseFault,
  type Fault,
  FaultyProxy,
  firstOf,
  type StoreRequest,
} from '../../../test/support/faulty-proxy.ts'
import { quiet } from '../../../test/support/http-registry.ts'
import type { StorageErrorCode } from '../../core/errors.ts'
import { AzureDriver } from '../azure.ts'

const MIB = 1024 * 1024

let azurite: Azurite
let proxy: FaultyProxy
beforeAll(async () => {
  azurite = await Azurite.start()
  proxy = await FaultyProxy.start(new URL(azurite.serviceUrl).origin)
})
afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await azurite.stop()
})

/** The container as it is, without what the proxy does. */
let container: ContainerClient
let driver: AzureDriver
beforeEach(async () => {
  container = await azurite.container()
  driver = await AzureDriver.open(
    azureSettings({
      container: container.containerName,
      serviceurl: `${proxy.endpoint}/${AZURITE_ACCOUNT}`,
      rootdirectory: '',
    }),
    { log: quiet },
  )
  proxy.forget()
})
afterEach(async () => {
  proxy.fault = () => undefined
  await driver.close()
  await container.delete()
})

const isAppend = ({ query }: StoreRequest) => query.get('comp') === 'appendblock'
const isDownload = ({ method, query }: StoreRequest) => method === 'GET' && !query.has('comp')
const isPut = ({ method, headers }: StoreRequest) =>
  method === 'PUT' && headers['x-ms-blob-type'] === 'BlockBlob'
const isCopy = ({ headers }: StoreRequest) => headers['x-ms-copy-source'] !== undefined
/** The service makes it while the caller waits, and of block blobs alone. */
const isCopyAtOnce = (asked: StoreRequest) => isCopy(asked) && asked.headers['x-ms-requires-sync'] === 'true'

function refusal(status: number, code: string): Fault {
  return {
    kind: 'answer',
    status,
    headers: { 'x-ms-error-code': code, 'content-type': 'application/xml' },
    body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`,
  }
}

function when(of: (asked: StoreRequest) => boolean, fault: Fault): ChooseFault {
  return (asked) => (of(asked) ? fault : undefined)
}

const putText = (path: string, text: string) => driver.put(path, Buffer.from(text))
const writeText = (path: string, text: string) => writeFile(driver, path, [Buffer.from(text)])
const textOf = async (path: string) => Buffer.from(await driver.get(path)).toString()

describe('an appended block', () => {
  it('whose answer is lost is there once', async () => {
    const content = distinctBytes(9 * MIB)
    proxy.fault = firstOf(1, { of: isAppend, fault: { kind: 'lose-answer' } })
    await writeFile(driver, '/file', [Buffer.from(content)])
    expectSameBytes(await driver.get('/file'), content)
    expect(proxy.requests.filter(isAppend).map(({ status }) => status)).toEqual([201, 412, 201, 201])
  })

  it('of which every answer is lost is found all the same', async () => {
    proxy.fault = when(isAppend, { kind: 'lose-answer' })
    await writeFile(driver, '/file', [Buffer.from('content')])
    expect(await textOf('/file')).toBe('content')
  })

  it('that never gets through ends the writer, and another goes on', async () => {
    const writer = await driver.append('/file', { offset: 0 })
    await writer.write(Buffer.from('one '))
    await writer.sync()
    proxy.fault = when(isAppend, { kind: 'reset' })
    await writer.write(Buffer.from('lost'))
    await expectStorageError(writer.sync(), 'BUSY')
    await expectStorageError(writer.close(), 'BUSY')
    expect(writer.size).toBe(4)
    proxy.fault = () => undefined
    await writeFile(driver, '/file', [Buffer.from('two')])
    expect(await textOf('/file')).toBe('one two')
  })

  it('that is refused for the number of blocks says so', async () => {
    const writer = await driver.append('/file', { offset: 0 })
    proxy.fault = when(isAppend, refusal(409, 'BlockCountExceedsLimit'))
    await writer.write(Buffer.from('content'))
    const error = await expectStorageError(writer.sync(), 'BACKEND_FAILED')
    expect(error.message).toContain('50000 blocks')
    await writer.close().catch(() => undefined)
  })
})

describe('a read', () => {
  const content = distinctBytes(5 * MIB)

  it('whose answers are cut short goes on where they ended', async () => {
    await driver.put('/file', content)
    proxy.forget()
    proxy.fault = firstOf(2, { of: isDownload, fault: { kind: 'truncate', bytes: 2 * MIB } })
    const range = { start: 10, end: content.length - 10 }
    expectSameBytes(await collect(driver.read('/file', { range })), content.subarray(10, -9))
    const [first, ...rest] = proxy.requests
    expect(first?.headers['if-match']).toBeUndefined()
    expect(rest).toHaveLength(2)
    for (const { headers } of rest) expect(headers['if-match']).toBeDefined()
  })

  it('whose answers never come whole fails', async () => {
    await driver.put('/file', content)
    proxy.fault = when(isDownload, { kind: 'truncate', bytes: 0 })
    await expectStorageError(collect(driver.read('/file')), 'BUSY')
  })

  it('is never of two files', async () => {
    await driver.put('/file', content)
    proxy.fault = firstOf(1, { of: isDownload, fault: { kind: 'truncate', bytes: 2 * MIB } })
    const reading = (async () => {
      let received = 0
      for await (const chunk of driver.read('/file')) {
        if (received === 0)
          await container.getBlockBlobClient('file').upload(content.toReversed(), content.length)
        received += chunk.byteLength
      }
    })()
    await expectStorageError(reading, 'BACKEND_FAILED')
  })
})

describe('a place of another type', () => {
  // The service replaces no append blob by a block blob (InvalidBlobType); the emulator does.
  it('is put to in one step', async () => {
    await writeFile(driver, '/file', [Buffer.from('appended')])
    proxy.fault = when(isPut, refusal(409, 'InvalidBlobType'))
    await driver.put('/file', Buffer.from('put'))
    expect(await textOf('/file')).toBe('put')
    expect((await container.getBlobClient('file').getProperties()).blobType).toBe('AppendBlob')
    expect(proxy.requests.filter(({ method }) => method === 'DELETE').map(({ path }) => path)).toEqual([
      expect.stringContaining('/~temporary/'),
    ])
    expect(await collectAll(driver.leftovers())).toEqual([])
  })

  it.each([
    ['an append blob', 'a block blob', writeText, putText],
    ['a block blob', 'an append blob', putText, writeText],
  ])('is made free for %s in the place of %s', async (_from, _to, makeFrom, makeTo) => {
    await makeFrom('/from', 'new')
    await makeTo('/to', 'old')
    proxy.fault = firstOf(1, { of: isCopy, fault: refusal(409, 'InvalidBlobType') })
    expect(await driver.move('/from', '/to', { mayStay: true })).toBe(true)
    expect(await textOf('/to')).toBe('new')
  })

  it('stays as it is when it is not to be replaced', async () => {
    await writeText('/from', 'new')
    await putText('/to', 'old')
    proxy.fault = firstOf(1, { of: isCopy, fault: refusal(409, 'InvalidBlobType') })
    expect(await driver.move('/from', '/to', { replace: false })).toBe(false)
    expect(await textOf('/to')).toBe('old')
    expect(await textOf('/from')).toBe('new')
  })
})

describe('a copy that takes long', () => {
  const pending = (progress: string): Fault => ({
    kind: 'answer',
    status: 200,
    headers: {
      'x-ms-copy-id': 'copy',
      'x-ms-copy-status': 'pending',
      'x-ms-copy-progress': progress,
      'content-length': '0',
      etag: '"1"',
    },
  })
  const begun: Fault = {
    kind: 'answer',
    status: 202,
    headers: { 'x-ms-copy-id': 'copy', 'x-ms-copy-status': 'pending', etag: '"1"' },
  }
  const isLook = ({ method, path }: StoreRequest) => method === 'HEAD' && path.endsWith('/to')

  function slowCopy(look: () => Fault | undefined): ChooseFault {
    return (asked) => {
      if (isCopy(asked)) return begun
      return isLook(asked) ? look() : undefined
    }
  }

  it('is waited for as long as it moves', async () => {
    await writeFile(driver, '/from', [Buffer.from('content')])
    await writeFile(driver, '/to', [Buffer.from('what the copy makes')])
    let looks = 0
    // More often than without progress.
    proxy.fault = slowCopy(() => (++looks < 12 ? pending(`${looks}/100`) : undefined))
    expect(await driver.move('/from', '/to', { mayStay: true })).toBe(true)
    expect(looks).toBe(12)
  })

  it('is given up when it does not', async () => {
    await writeFile(driver, '/from', [Buffer.from('content')])
    await writeFile(driver, '/to', [Buffer.from('old')])
    proxy.fault = slowCopy(() => pending('1/100'))
    await expectStorageError(driver.move('/from', '/to'), 'BUSY')
    expect(proxy.requests.filter(({ query }) => query.get('comp') === 'copy')).not.toEqual([])
    expect(await textOf('/from')).toBe('content')
  })

  it('shows no file', async () => {
    await driver.put('/to', Buffer.from('content'))
    proxy.fault = when(({ method }) => ['GET', 'HEAD'].includes(method), pending('0/7'))
    await expectStorageError(driver.get('/to'), 'PATH_NOT_FOUND')
    proxy.fault = when(isLook, pending('0/7'))
    await expectStorageError(driver.stat('/to'), 'PATH_NOT_FOUND')
    await expectStorageError(driver.move('/to', '/other'), 'PATH_NOT_FOUND')
  })
})

it('a move whose answer is lost has happened', async () => {
  await driver.put('/from', Buffer.from('content'))
  proxy.fault = firstOf(1, { of: isCopy, fault: { kind: 'lose-answer' } })
  expect(await driver.move('/from', '/to')).toBe(true)
  expect(await textOf('/to')).toBe('content')
  await expectStorageError(driver.stat('/from'), 'PATH_NOT_FOUND')
})

it.each<[number, StorageErrorCode]>([
  [404, 'PATH_NOT_FOUND'],
  [403, 'BACKEND_FAILED'],
  [503, 'BUSY'],
])('a source that the service cannot read, for it had %i, is %s', async (status, code) => {
  await driver.put('/from', Buffer.from('content'))
  proxy.fault = when(isCopy, refusal(status, 'CannotVerifyCopySource'))
  await expectStorageError(driver.move('/from', '/to'), code)
})

describe('a service that answers with', () => {
  it.each<[string, Fault, StorageErrorCode]>([
    ['503 ServerBusy', refusal(503, 'ServerBusy'), 'BUSY'],
    ['500 OperationTimedOut', refusal(500, 'OperationTimedOut'), 'BUSY'],
    ['500 InternalError', refusal(500, 'InternalError'), 'BACKEND_FAILED'],
    ['429', { kind: 'answer', status: 429 }, 'BUSY'],
    ['502', { kind: 'answer', status: 502, body: '<html>' }, 'BUSY'],
    ['403 AuthorizationFailure', refusal(403, 'AuthorizationFailure'), 'BACKEND_FAILED'],
    ['404 ContainerNotFound', refusal(404, 'ContainerNotFound'), 'BACKEND_FAILED'],
    ['404 of something else', { kind: 'answer', status: 404, body: 'not found' }, 'BACKEND_FAILED'],
    ['nothing', { kind: 'reset' }, 'BUSY'],
  ])('%s is out of order, whatever it is asked', async (_what, fault, code) => {
    await driver.put('/file', Buffer.from('content'))
    proxy.fault = () => fault
    const work = [
      () => driver.stat('/file'),
      () => driver.get('/file'),
      () => driver.put('/file', Buffer.from('content')),
      () => driver.append('/file'),
      () => driver.append('/new', { offset: 0 }),
      () => collectAll(driver.list('/')),
      () => driver.move('/file', '/other'),
      () => driver.delete('/file'),
    ]
    for (const one of work) await expectStorageError(one(), code)
    proxy.fault = () => undefined
    expect(await textOf('/file')).toBe('content')
  })
})

describe('the requests', () => {
  const asked = () =>
    proxy.requests.map(({ method, query }) => [method, query.get('comp')].filter(Boolean).join(' '))

  it('of an upload are few', async () => {
    const writer = await driver.append('/upload/data', { offset: 0 })
    await writer.write(Buffer.from('content'))
    await writer.sync()
    await writer.close()
    expect(asked()).toEqual(['PUT', 'PUT appendblock'])
    proxy.forget()
    await driver.move('/upload/data', '/blob/data', { replace: false, mayStay: true })
    expect(asked()).toEqual(['PUT'])
    // The service copies no append blob at once; the emulator would.
    expect(proxy.requests.filter(isCopyAtOnce)).toEqual([])
    proxy.forget()
    await driver.delete('/upload', { holding: ['data', 'startedat'] })
    expect(asked()).toEqual(['DELETE', 'DELETE'])
    proxy.forget()
    expect(await driver.redirectUrl('/blob/data')).toBeInstanceOf(URL)
    expect(asked()).toEqual([])
  })

  it('of a folder are two', async () => {
    await driver.put('/a/b/file', Buffer.from('content'))
    proxy.forget()
    expect(await driver.stat('/a')).toEqual({ kind: 'folder' })
    expect(asked()).toEqual(['HEAD', 'GET list'])
  })
})
