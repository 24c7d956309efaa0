/** Failures of the service, lost answers, and behaviour that the emulator lacks. */
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
import {
  askedOf,
  copyStatus,
  isAppend,
  isCopy,
  isCopyAtOnce,
  isDelete,
  isDownload,
  isLookAt,
  isPut,
  openBehind,
  refusal,
  when,
} from '../../../test/support/azure-faults.ts'
import { Azurite } from '../../../test/support/azurite.ts'
import { type ChooseFault, type Fault, FaultyProxy, firstOf } from '../../../test/support/faulty-proxy.ts'
import type { StorageErrorCode } from '../../core/errors.ts'
import type { FileVersion } from '../../core/storage-driver.ts'
import type { AzureDriver } from '../azure.ts'

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

/** The container, without the proxy's faults. */
let container: ContainerClient
let driver: AzureDriver
beforeEach(async () => {
  container = await azurite.container()
  driver = await openBehind(proxy, container)
  proxy.forget()
})
afterEach(async () => {
  proxy.fault = () => undefined
  await driver.close()
  await container.delete()
})

const putText = (path: string, text: string) => driver.put(path, Buffer.from(text))
const writeText = (path: string, text: string) => writeFile(driver, path, [Buffer.from(text)])
const textOf = async (path: string) => Buffer.from(await driver.get(path)).toString()

describe('an appended block', () => {
  it('whose answer is lost is there once', async () => {
    const content = distinctBytes(9 * MIB)
    proxy.fault = firstOf(1, { of: isAppend, fault: { kind: 'lose-answer' } })
    await writeFile(driver, '/file', [Buffer.from(content)])
    expectSameBytes(await driver.get('/file'), content)
    expect(proxy.requests.filter(isAppend).map(({ status }) => status)).toEqual([201, 201, 201])
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
  // The service does not replace an append blob by a block blob (InvalidBlobType); the emulator does.
  it('is put to in one step', async () => {
    await writeFile(driver, '/file', [Buffer.from('appended')])
    proxy.fault = when(isPut, refusal(409, 'InvalidBlobType'))
    await driver.put('/file', Buffer.from('put'))
    expect(await textOf('/file')).toBe('put')
    expect((await container.getBlobClient('file').getProperties()).blobType).toBe('AppendBlob')
    expect(proxy.requests.filter(isDelete).map(({ path }) => path)).toEqual([
      expect.stringContaining('/~temporary/'),
    ])
    expect(await collectAll(driver.incompleteUploads())).toEqual([])
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
  const begun: Fault = {
    kind: 'answer',
    status: 202,
    headers: { 'x-ms-copy-id': 'copy', 'x-ms-copy-status': 'pending', etag: '"0x1"' },
  }

  function slowCopy(look: () => Fault | undefined): ChooseFault {
    return (asked) => {
      if (isCopy(asked)) return begun
      return isLookAt('to')(asked) ? look() : undefined
    }
  }

  it('is waited for as long as it moves', async () => {
    await writeText('/from', 'content')
    let looks = 0
    // More often than without progress.
    proxy.fault = slowCopy(() =>
      copyStatus(++looks < 12 ? 'pending' : 'success', { progress: `${looks}/100` }),
    )
    expect(await driver.move('/from', '/to', { mayStay: true })).toBe(true)
    expect(looks).toBe(12)
  })

  it('is given up when it does not', async () => {
    await writeText('/from', 'content')
    proxy.fault = slowCopy(() => copyStatus('pending', { progress: '1/100' }))
    await expectStorageError(driver.move('/from', '/to'), 'BUSY')
    expect(proxy.requests.filter(({ query }) => query.get('comp') === 'copy')).not.toEqual([])
    expect(await textOf('/from')).toBe('content')
  })

  it('is known by its mark where the answer is lost', async () => {
    await writeText('/from', 'content')
    const looks: Fault[] = []
    proxy.fault = (asked) => {
      if (isCopy(asked)) {
        const headers = { 'x-ms-meta-entrepot': String(asked.headers['x-ms-meta-entrepot']) }
        looks.push(copyStatus('pending', { headers }), copyStatus('success', { headers }))
        return { kind: 'reset' }
      }
      return isLookAt('to')(asked) ? looks.shift() : undefined
    }
    expect(await driver.move('/from', '/to', { mayStay: true })).toBe(true)
    expect(proxy.requests.filter(isCopy)).toHaveLength(1)
    expect(looks).toEqual([])
  })

  it('that failed is none', async () => {
    await writeText('/from', 'content')
    proxy.fault = slowCopy(() => copyStatus('failed'))
    await expectStorageError(driver.move('/from', '/to'), 'BACKEND_FAILED')
    expect(await textOf('/from')).toBe('content')
  })

  it('is not the one that somebody else has made in its place', async () => {
    await writeText('/from', 'content')
    let looks = 0
    proxy.fault = (asked) => {
      if (isCopy(asked) && looks === 0) return begun
      if (isLookAt('to')(asked) && ++looks === 1) return copyStatus('success', { id: 'theirs' })
      return undefined
    }
    expect(await driver.move('/from', '/to', { mayStay: true })).toBe(true)
    expect(await textOf('/to')).toBe('content')
  })

  it('shows no file', async () => {
    await driver.put('/to', Buffer.from('content'))
    proxy.fault = when(({ method }) => ['GET', 'HEAD'].includes(method), copyStatus('pending'))
    await expectStorageError(driver.get('/to'), 'PATH_NOT_FOUND')
    proxy.fault = when(isLookAt('to'), copyStatus('pending'))
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
      () => driver.getState('/file'),
      () => driver.swapState('/new', Buffer.from('content'), undefined),
    ]
    for (const one of work) await expectStorageError(one(), code)
    proxy.fault = () => undefined
    expect(await textOf('/file')).toBe('content')
  })
})

describe('the requests', () => {
  async function upload(content: string, options: { offset: number; version?: FileVersion }) {
    const writer = await driver.append('/upload/data', options)
    if (content !== '') await writer.write(Buffer.from(content))
    await writer.sync({ dataOnly: content === '' })
    await writer.close()
    return writer.version as FileVersion
  }

  it.each([true, false])('of an upload are few (replace: %s)', async (replace) => {
    const first = await upload('content', { offset: 0 })
    expect(askedOf(proxy)).toEqual(['PUT', 'PUT appendblock'])
    proxy.forget()
    const second = await upload('more', { offset: 7, version: first })
    expect(askedOf(proxy)).toEqual(['PUT appendblock'])
    proxy.forget()
    // The last request of a client may be empty.
    const version = await upload('', { offset: 11, version: second })
    expect(askedOf(proxy)).toEqual([])
    expect(await driver.move('/upload/data', '/blob/data', { version, replace, mayStay: true })).toBe(true)
    expect(askedOf(proxy)).toEqual(['PUT'])
    // The service does not copy append blobs synchronously; the emulator would.
    expect(proxy.requests.filter(isCopyAtOnce)).toEqual([])
    proxy.forget()
    await driver.delete('/upload', { knownChildren: ['data', 'startedat'] })
    expect(askedOf(proxy)).toEqual(['DELETE', 'DELETE'])
    proxy.forget()
    expect(await driver.redirectUrl('/blob/data')).toBeInstanceOf(URL)
    expect(askedOf(proxy)).toEqual([])
  })

  it('of a state are one', async () => {
    const version = await driver.swapState('/state', Buffer.from('one'), undefined)
    expect(await driver.swapState('/state', Buffer.from('two'), version)).toBeDefined()
    expect(await driver.swapState('/state', Buffer.from('three'), version)).toBeUndefined()
    expect(await driver.getState('/state')).toMatchObject({ content: Buffer.from('two') })
    expect(askedOf(proxy)).toEqual(['PUT', 'PUT', 'PUT', 'GET'])
  })

  it('of a folder are two', async () => {
    await driver.put('/a/b/file', Buffer.from('content'))
    proxy.forget()
    expect(await driver.stat('/a')).toEqual({ kind: 'folder' })
    expect(askedOf(proxy)).toEqual(['HEAD', 'GET list'])
  })
})
