/** Two replicas over one container, and lost answers: ETags and marks identify a replica's own blobs, sizes
 *  do not. */
import type { ContainerClient } from '@azure/storage-blob'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { expectStorageError, namesIn, writeFile } from '../../../test/contract/storage-driver/support.ts'
import {
  askedOf,
  copyStatus,
  isAppend,
  isCopy,
  isDelete,
  isLookAt,
  isMetadata,
  isPut,
  openBehind,
  refusal,
  when,
} from '../../../test/support/azure-faults.ts'
import { Azurite } from '../../../test/support/azurite.ts'
import { type Fault, FaultyProxy, firstOf, type StoreRequest } from '../../../test/support/faulty-proxy.ts'
import type { FileVersion, FileWriter, StorageDriver } from '../../core/storage-driver.ts'

let azurite: Azurite
let proxy: FaultyProxy
let clear: FaultyProxy
beforeAll(async () => {
  azurite = await Azurite.start()
  const { origin } = new URL(azurite.serviceUrl)
  proxy = await FaultyProxy.start(origin)
  clear = await FaultyProxy.start(origin)
})
afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await clear[Symbol.asyncDispose]()
  await azurite.stop()
})

let container: ContainerClient
let driver: StorageDriver
/** Another replica, without faults. */
let other: StorageDriver
beforeEach(async () => {
  container = await azurite.container()
  driver = await openBehind(proxy, container)
  other = await openBehind(clear, container)
  proxy.forget()
})
afterEach(async () => {
  proxy.fault = () => undefined
  await driver.close()
  await other.close()
  await container.delete()
})

const bytes = (text: string) => Buffer.from(text)
const textOf = async (path: string) => Buffer.from(await other.get(path)).toString()
const propertiesOf = (name: string) => container.getBlobClient(name).getProperties()

async function write(on: StorageDriver, path: string, text: string): Promise<FileVersion> {
  return writeFile(on, path, [bytes(text)])
}

async function closed(writer: FileWriter, text?: string): Promise<FileVersion | undefined> {
  if (text !== undefined) await writer.write(bytes(text))
  await writer.close()
  return writer.version
}

/** Runs another replica's work while the first such request waits.
 *  @returns the proxy's action for the request */
function meanwhile(of: (asked: StoreRequest) => boolean, work: () => Promise<unknown>) {
  let begun: Promise<unknown> | undefined
  return (asked: StoreRequest): Fault | undefined => {
    if (begun !== undefined || !of(asked)) return undefined
    begun = work()
    return { kind: 'hold', until: begun }
  }
}

describe('an upload that somebody else has deleted and filled with as many bytes', () => {
  let held: FileVersion
  beforeEach(async () => {
    held = await write(driver, '/up/data', 'good bytes')
  })
  const refill = async () => {
    await other.delete('/up')
    return write(other, '/up/data', 'evil bytes')
  }

  it('is not moved by whoever had it open, and did not add to it', async () => {
    const writer = await driver.append('/up/data', { offset: 10, version: held })
    await refill()
    await writer.sync({ dataOnly: true })
    const version = await closed(writer)
    for (const replace of [true, false]) {
      await expectStorageError(driver.move('/up/data', '/blob', { version, replace }), 'OFFSET_INVALID')
    }
    expect(await namesIn(other, '/')).toEqual(['up'])
  })

  it.each(['sync', 'close'] as const)('is told to whoever does not add to it (%s)', async (step) => {
    const writer = await driver.append('/up/data', { offset: 10, version: held })
    await refill()
    await expectStorageError(writer[step](), 'OFFSET_INVALID')
    await writer.close().catch(() => undefined)
    expect(writer.version).toBeUndefined()
  })

  it('while a copy of it begins is not what is copied', async () => {
    let evil: FileVersion | undefined
    proxy.fault = meanwhile(isCopy, async () => {
      evil = await refill()
    })
    await expectStorageError(driver.move('/up/data', '/blob', { version: held }), 'OFFSET_INVALID')
    expect(await namesIn(other, '/')).toEqual(['up'])
    expect(await other.move('/up/data', '/blob', { version: evil })).toBe(true)
  })

  it('is not taken from for a block that is sent again', async () => {
    const writer = await driver.append('/up/data', { offset: 10, version: held })
    let sent = 0
    proxy.fault = (asked) => (isAppend(asked) && ++sent === 1 ? { kind: 'reset' } : hold(asked))
    const hold = meanwhile(isLookAt('data'), refill)
    await expectStorageError(closed(writer, ' more'), 'OFFSET_INVALID')
    expect(await textOf('/up/data')).toBe('evil bytes')
  })

  it('keeps what was added to it since it was copied', async () => {
    proxy.fault = meanwhile(isDelete, () => write(other, '/up/data', ', more'))
    expect(await driver.move('/up/data', '/blob', { version: held })).toBe(true)
    expect(await textOf('/blob')).toBe('good bytes')
    expect(await textOf('/up/data')).toBe('good bytes, more')
  })
})

describe('a file that is taken over without a version', () => {
  it('is closed to whoever wrote to it, though nothing was added', async () => {
    const version = await write(driver, '/file', 'bytes')
    const late = await driver.append('/file', { offset: 5, version })
    const taken = await closed(await other.append('/file', { offset: 5 }))
    await expectStorageError(closed(late, ' late'), 'OFFSET_INVALID')
    expect(await other.move('/file', '/blob', { version: taken })).toBe(true)
    expect(await textOf('/blob')).toBe('bytes')
  })

  it('is so once, though the answer is lost', async () => {
    await write(driver, '/file', 'bytes')
    proxy.forget()
    proxy.fault = firstOf(1, { of: isMetadata, fault: { kind: 'lose-answer' } })
    const version = await closed(await driver.append('/file', { offset: 5 }), ' more')
    expect(proxy.requests.filter(isMetadata)).toHaveLength(1)
    expect(await other.move('/file', '/blob', { version })).toBe(true)
    expect(await textOf('/blob')).toBe('bytes more')
  })

  it('is not when somebody else adds to it at that moment', async () => {
    await write(driver, '/file', 'bytes')
    proxy.fault = meanwhile(isMetadata, () => write(other, '/file', ' more'))
    await expectStorageError(driver.append('/file', { offset: 5 }), 'OFFSET_INVALID')
    expect(await textOf('/file')).toBe('bytes more')
  })
})

it('a block of which the answer is lost is not another of the same length', async () => {
  const version = await write(driver, '/file', 'start ')
  const writer = await driver.append('/file', { offset: 6, version })
  proxy.fault = (asked) => (isAppend(asked) ? { kind: 'reset' } : theirs(asked))
  const theirs = meanwhile(isLookAt('file'), () => write(other, '/file', 'evil'))
  await expectStorageError(closed(writer, 'good'), 'OFFSET_INVALID')
  expect(await textOf('/file')).toBe('start evil')
})

describe('a blob that stands in the place of a copy', () => {
  let version: FileVersion
  beforeEach(async () => {
    version = await write(driver, '/from', 'right')
  })
  const move = (replace: boolean) => driver.move('/from', '/to', { version, replace, mayStay: true })

  it.each([
    ['an append blob', () => write(other, '/to', 'wrong')],
    ['a block blob', () => other.put('/to', bytes('wrong'))],
  ])('of as many other bytes, %s, stays or is replaced, as the caller wants', async (_what, make) => {
    await make()
    expect(await move(false)).toBe(false)
    expect(await textOf('/to')).toBe('wrong')
    expect(await move(true)).toBe(true)
    expect(await textOf('/to')).toBe('right')
  })

  it('of the same bytes is not copied over, but gets a new date', async () => {
    await write(other, '/to', 'right')
    const { etag } = await propertiesOf('to')
    expect(await move(true)).toBe(true)
    expect(proxy.requests.filter(isCopy).map(({ status }) => status)).toEqual([409])
    expect((await propertiesOf('to')).etag).not.toBe(etag)
    expect(await textOf('/to')).toBe('right')
  })

  it('of the same bytes is copied to when somebody else removes it at that moment', async () => {
    await write(other, '/to', 'right')
    proxy.fault = meanwhile(isMetadata, () => other.delete('/to'))
    expect(await move(true)).toBe(true)
    expect(await textOf('/to')).toBe('right')
  })

  it('is not copied over when somebody else has just put the right bytes there', async () => {
    await write(other, '/to', 'wrong')
    const of = ({ headers }: StoreRequest) =>
      headers['x-ms-copy-source'] !== undefined && headers['if-match'] !== undefined
    proxy.fault = meanwhile(of, () => other.move('/from', '/to', { version, mayStay: true }))
    expect(await move(true)).toBe(true)
    expect(await textOf('/to')).toBe('right')
    const statuses = proxy.requests.filter(of).map(({ status }) => status)
    expect(statuses).toEqual([412])
  })

  it('is not taken for a copy whose answer is lost, though it is as long', async () => {
    proxy.fault = (asked) => {
      const fault = theirs(asked)
      return fault ?? (isCopy(asked) ? firstCopy(asked) : undefined)
    }
    const theirs = meanwhile(isLookAt('to'), () => write(other, '/to', 'wrong'))
    const firstCopy = firstOf(1, { of: isCopy, fault: { kind: 'reset' } })
    expect(await move(false)).toBe(false)
    expect(await textOf('/to')).toBe('wrong')
  })

  it('is known for the copy whose answer is lost', async () => {
    proxy.fault = firstOf(1, { of: isCopy, fault: { kind: 'lose-answer' } })
    expect(await move(false)).toBe(true)
    expect(proxy.requests.filter(isCopy)).toHaveLength(1)
    expect(await textOf('/to')).toBe('right')
  })

  it('is not right because the version is old', async () => {
    await write(other, '/to', 'right')
    await write(other, '/from', ' and more')
    await expectStorageError(move(false), 'OFFSET_INVALID')
    await expectStorageError(move(true), 'OFFSET_INVALID')
  })
})

describe('a copy that somebody else has begun to the same place', () => {
  let version: FileVersion
  beforeEach(async () => {
    version = await write(driver, '/from', 'right')
    await write(other, '/to', 'right')
  })
  const move = () => driver.move('/from', '/to', { version, replace: false, mayStay: true })

  it('is waited for before anybody is told that the file is there', async () => {
    let looks = 0
    proxy.fault = (asked) =>
      isLookAt('to')(asked) && ++looks < 4 ? copyStatus('pending', { progress: `${looks}` }) : undefined
    expect(await move()).toBe(false)
    expect(looks).toBe(4)
  })

  it('is left alone when it makes no progress, and the file is not said to be there', async () => {
    proxy.fault = when(isLookAt('to'), copyStatus('pending'))
    await expectStorageError(move(), 'BUSY')
    expect(askedOf(proxy).filter((asked) => /DELETE|PUT copy/.test(asked))).toEqual([])
  })

  it('is replaced when it has failed', async () => {
    const { etag = '' } = await propertiesOf('to')
    proxy.fault = firstOf(1, { of: isLookAt('to'), fault: copyStatus('failed', { headers: { etag } }) })
    expect(await move()).toBe(true)
    expect((await propertiesOf('to')).etag).not.toBe(etag)
    expect(await textOf('/to')).toBe('right')
  })

  it('and is under way is waited for where the service says so', async () => {
    proxy.fault = firstOf(1, { of: isCopy, fault: refusal(409, 'PendingCopyOperation') })
    expect(await move()).toBe(false)
  })
})

describe('two that finish one upload at once', () => {
  it('both find the blob there, whoever has copied it', async () => {
    const version = await write(driver, '/up/data', 'right')
    const moves = [driver, other].map((one) =>
      one.move('/up/data', '/blob', { version, replace: true, mayStay: true }),
    )
    expect(await Promise.all(moves)).toEqual([true, true])
    expect(await textOf('/blob')).toBe('right')
  })

  it('with tails of the same length do not get each other’s', async () => {
    const version = await write(driver, '/up/data', 'start ')
    const tails = ['tail a', 'tail b']
    const outcomes = await Promise.allSettled(
      [driver, other].map(async (one, index) => {
        const last = await closed(await one.append('/up/data', { offset: 6, version }), tails[index])
        await one.move('/up/data', `/blob-${index}`, { version: last })
      }),
    )
    const [winner = -1] = outcomes.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(outcomes[1 - winner]).toMatchObject({
      reason: { code: expect.stringMatching(/OFFSET_INVALID|PATH_NOT_FOUND/) },
    })
    expect(await namesIn(other, '/')).toEqual([`blob-${winner}`])
    expect(await textOf(`/blob-${winner}`)).toBe(`start ${tails[winner]}`)
  })
})

describe('what was put and is appended to', () => {
  const typeOf = async (name: string) => (await propertiesOf(name)).blobType
  const incompleteUploads = async () => {
    const paths: string[] = []
    for await (const { path } of other.incompleteUploads()) paths.push(path)
    return paths
  }
  beforeEach(() => other.put('/file', bytes('put')))

  it('becomes an append blob by one of two that go on with it', async () => {
    const outcomes = await Promise.allSettled(
      [driver, other].map(async (one) => closed(await one.append('/file', { offset: 3 }), ' more')),
    )
    const succeeded = outcomes.filter(({ status }) => status === 'fulfilled')
    expect(succeeded.length).toBeLessThanOrEqual(1)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'OFFSET_INVALID' })
    }
    expect(await typeOf('file')).toBe('AppendBlob')
    expect(await textOf('/file')).toBe(succeeded.length === 1 ? 'put more' : 'put')
    expect(await incompleteUploads()).toEqual([])
  })

  it.each<[string, () => Promise<unknown>, string]>([
    ['put', () => other.put('/file', bytes('new')), 'new'],
    ['gone on with', () => write(other, '/file', ' more'), 'put more'],
  ])('is left as it is when it is %s meanwhile', async (_what, work, text) => {
    proxy.fault = meanwhile(isDelete, work)
    await expectStorageError(driver.append('/file', { offset: 3 }), 'OFFSET_INVALID')
    expect(await textOf('/file')).toBe(text)
    expect(await incompleteUploads()).toEqual([])
  })

  it('does not take the place of what was begun while it was not there', async () => {
    proxy.fault = meanwhile(isCopy, () => write(other, '/file', 'anew'))
    await expectStorageError(driver.append('/file', { offset: 3 }), 'OFFSET_INVALID')
    expect(await textOf('/file')).toBe('anew')
  })

  it.each([
    ['removal', isDelete],
    ['copy', isCopy],
  ])('becomes an append blob though the answer to the %s is lost', async (_what, of) => {
    proxy.fault = firstOf(1, { of, fault: { kind: 'lose-answer' } })
    await closed(await driver.append('/file', { offset: 3 }), ' more')
    expect(await textOf('/file')).toBe('put more')
    expect(await incompleteUploads()).toEqual([])
  })
})

describe('a state', () => {
  const swap = (text: string, expected?: FileVersion) => driver.swapState('/state', bytes(text), expected)

  it('that was swapped is so though the answer is lost', async () => {
    proxy.fault = firstOf(1, { of: isPut, fault: { kind: 'lose-answer' } })
    const first = await swap('one')
    expect(await driver.getState('/state')).toEqual({ content: bytes('one'), version: first })
    proxy.fault = firstOf(1, { of: isPut, fault: { kind: 'lose-answer' } })
    const second = await swap('two', first)
    expect(await driver.getState('/state')).toEqual({ content: bytes('two'), version: second })
  })

  it('that was not swapped, for the request was lost, is swapped by the next', async () => {
    proxy.fault = firstOf(1, { of: isPut, fault: { kind: 'reset' } })
    expect(await swap('one')).toBeDefined()
    expect(await textOf('/state')).toBe('one')
  })

  it('is not said to be swapped when somebody else has put the same content there', async () => {
    await other.swapState('/state', bytes('same'), undefined)
    expect(await swap('same')).toBeUndefined()
    expect(askedOf(proxy)).toEqual(['PUT'])
  })

  it('that somebody else has swapped while the answer was lost may have been swapped in between', async () => {
    proxy.fault = (asked) => theirs(asked) ?? lost(asked)
    const lost = firstOf(1, { of: isPut, fault: { kind: 'lose-answer' } })
    const theirs = meanwhile(isLookAt('state'), async () => {
      const standing = await other.getState('/state')
      await other.swapState('/state', bytes('theirs'), standing?.version)
    })
    await expectStorageError(swap('ours'), 'BUSY')
    expect(await textOf('/state')).toBe('theirs')
  })
})
