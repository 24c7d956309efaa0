import { createHash, createVerify, generateKeyPairSync } from 'node:crypto'
import { writeFile as writeToDisk } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  collect,
  collectAll,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
  namesIn,
  writeFile,
} from '../../../test/contract/storage-driver/support.ts'
import type { Fault } from '../../../test/support/gcs-front.ts'
import { describeOnGcs, type GcsUnderTest } from '../../../test/support/gcs-under-test.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { GcsDriver } from '../gcs.ts'

const KIB = 1024
const CHUNK = 256 * KIB

describeOnGcs('the driver gcs', (current) => {
  let opened: Awaited<ReturnType<GcsUnderTest['open']>>
  let driver: StorageDriver
  beforeEach(async () => {
    opened = await current().open()
    driver = opened.driver
    current().server.front.requests.length = 0
  })
  afterEach(() => opened.close())

  const requests = (pattern: RegExp) => current().server.front.requests.filter((line) => pattern.test(line))

  /** Lets the first request that fits go wrong, or as many as are said. */
  function failFirst(pattern: RegExp, fault: Fault, times = 1): void {
    let left = times
    current().server.front.fault = ({ method, url }) =>
      pattern.test(`${method} ${url}`) && left-- > 0 ? fault : undefined
  }

  describe('what Distribution shares', () => {
    it("an object is named by the root and the path, and is of a blob's type", async () => {
      const { driver, bucket, close } = await current().open({ rootdirectory: '/some/root/' })
      await driver.put('/docker/registry/v2/put', Buffer.from('content'))
      await writeFile(driver, '/docker/registry/v2/appended', [distinctBytes(3 * CHUNK)])
      await driver.move('/docker/registry/v2/put', '/docker/registry/v2/moved')
      await close()
      expect(await current().server.objects(bucket)).toEqual({
        'some/root/docker/registry/v2/appended': expect.objectContaining({
          contentType: 'application/octet-stream',
        }),
        'some/root/docker/registry/v2/moved': expect.objectContaining({
          contentType: 'application/octet-stream',
        }),
      })
    })

    describe('an upload of its own that is under way', () => {
      const session = {
        name: 'uploads/data',
        content: 'the last bytes so far',
        contentType: 'application/x-docker-upload-session',
        metadata: { 'Session-URI': 'https://storage.googleapis.com/upload', Offset: '262144' },
      }
      beforeEach(() => current().server.insert(opened.bucket, session))

      it('is not there for readers', async () => {
        await driver.put('/uploads/startedat', Buffer.from('2026-01-02T15:04:05Z'))
        await expectStorageError(driver.stat('/uploads/data'), 'PATH_NOT_FOUND')
        await expectStorageError(driver.get('/uploads/data'), 'PATH_NOT_FOUND')
        await expectStorageError(collect(driver.read('/uploads/data')), 'PATH_NOT_FOUND')
        const range = { start: 0, end: 2 }
        await expectStorageError(collect(driver.read('/uploads/data', { range })), 'PATH_NOT_FOUND')
        expect(await namesIn(driver, '/uploads')).toEqual(['startedat'])
      })

      it('goes with its folder', async () => {
        await driver.delete('/uploads')
        expect(await current().server.objects(opened.bucket)).toEqual({})
      })

      it('is replaced by what is appended from the start, and by nothing else', async () => {
        await expectStorageError(driver.append('/uploads/data', { offset: 21 }), 'OFFSET_INVALID')
        const writer = await driver.append('/uploads/data', { offset: 0 })
        await writer.write(Buffer.from('anew'))
        await writer.close()
        expect(Buffer.from(await driver.get('/uploads/data')).toString()).toBe('anew')
      })
    })
  })

  describe('append', () => {
    it('what fits into a chunk is one upload', async () => {
      await writeFile(driver, '/file', [distinctBytes(CHUNK)])
      expect(requests(/^POST/)).toHaveLength(1)
      expect(requests(/^GET/)).not.toContainEqual(expect.stringContaining('pieces'))
    })

    it('a chunk more is two pieces and a composition', async () => {
      const content = distinctBytes(CHUNK + 1)
      await writeFile(driver, '/file', [Buffer.from(content)])
      expect(requests(/^POST .*upload/)).toHaveLength(2)
      expect(requests(/compose/)).toHaveLength(1)
      expectSameBytes(await collect(driver.read('/file')), content)
    })

    it.each([31, 32, 33, 70])(
      '%i chunks are composed in their order, behind what was there',
      async (count) => {
        const old = distinctBytes(10, 1)
        await driver.put('/file', old)
        const content = distinctBytes(count * CHUNK - 1)
        await writeFile(driver, '/file', [Buffer.from(content)])
        expectSameBytes(await collect(driver.read('/file')), Buffer.concat([old, content]))
        await opened.close()
        expect(Object.keys(await current().server.objects(opened.bucket))).toEqual(['file'])
      },
    )

    it('no file is seen before a sync, and no piece ever', async () => {
      const writer = await driver.append('/file')
      await writer.write(distinctBytes(3 * CHUNK))
      await expect.poll(() => current().server.objects(opened.bucket)).not.toEqual({})
      await expectStorageError(driver.stat('/file'), 'PATH_NOT_FOUND')
      expect(await namesIn(driver, '/')).toEqual([])
      await writer.close()
      expect(await namesIn(driver, '/')).toEqual(['file'])
    })

    it.each([
      ['new', 10],
      ['new', 2 * CHUNK],
      ['old', 10],
      ['old', 2 * CHUNK],
    ])(
      'of two that append to one %s file, one fails and nothing is mixed: %i bytes',
      async (age, byteCount) => {
        if (age === 'old') await driver.put('/file', Buffer.from('old '))
        const writers = await Promise.all([driver.append('/file'), (await opened.another()).append('/file')])
        const contents = [distinctBytes(byteCount, 1), distinctBytes(byteCount, 2)]
        const before = writers[0]?.size ?? 0
        const outcomes = await Promise.allSettled(
          writers.map(async (writer, index) => {
            await writer.write(Buffer.from(contents[index] as Buffer))
            await writer.sync()
          }),
        )
        const winner = outcomes.findIndex(({ status }) => status === 'fulfilled')
        expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
        expect(outcomes[1 - winner]).toMatchObject({ reason: { code: 'OFFSET_INVALID' } })
        expect(writers[1 - winner]?.size).toBe(before)
        await expectStorageError(writers[1 - winner]!.close(), 'OFFSET_INVALID')
        const content = await collect(driver.read('/file'))
        expectSameBytes(content.subarray(before), contents[winner] as Buffer)
        await writers[winner]?.close()
        await opened.close()
        expect(Object.keys(await current().server.objects(opened.bucket))).toEqual(['file'])
      },
    )

    it('a writer whose file somebody else put anew or removed fails', async () => {
      for (const change of [() => driver.put('/file', Buffer.from('new')), () => driver.delete('/file')]) {
        await driver.put('/file', Buffer.from('old'))
        const writer = await driver.append('/file')
        await writer.write(Buffer.from('more'))
        await change()
        await expectStorageError(writer.sync(), 'OFFSET_INVALID')
      }
    })

    it('another driver goes on where the last sync was, whatever a killed one has uploaded since', async () => {
      const first = await driver.append('/file')
      await first.write(Buffer.from('synced '))
      await first.sync()
      await first.write(distinctBytes(2 * CHUNK + 1))
      const other = await opened.another()
      await expect.poll(async () => (await collectAll(other.leftovers())).length).toBe(2)
      const second = await other.append('/file', { offset: 7 })
      await second.write(Buffer.from('and more'))
      await second.close()
      expect(Buffer.from(await other.get('/file')).toString()).toBe('synced and more')
      for await (const leftover of other.leftovers()) {
        expect(leftover.path).toBe('/file')
        expect(Math.abs(leftover.modifiedAt.getTime() - Date.now())).toBeLessThan(60_000)
        await leftover.remove()
      }
      expect(Object.keys(await current().server.objects(opened.bucket))).toEqual(['file'])
    })

    it('a caller is asked to wait while pieces are on their way', async () => {
      const gate = Promise.withResolvers<void>()
      current().server.front.fault = ({ url }) =>
        url?.startsWith('/upload') ? { waitFor: gate.promise } : undefined
      const writer = await driver.append('/file')
      expect(writer.write(distinctBytes(4 * CHUNK))).toBeUndefined()
      const asked = writer.write(distinctBytes(CHUNK))
      expect(asked).toBeInstanceOf(Promise)
      gate.resolve()
      await asked
      await writer.close()
      expect(await driver.stat('/file')).toMatchObject({ size: 5 * CHUNK })
    })

    it('a piece that cannot be uploaded breaks the writer, and nothing of it stays', async () => {
      await driver.put('/file', Buffer.from('old'))
      failFirst(/^POST \/upload/, { status: 403 })
      const writer = await driver.append('/file')
      await writer.write(distinctBytes(3 * CHUNK))
      await expectStorageError(writer.sync(), 'BACKEND_FAILED')
      await expectStorageError(Promise.resolve(writer.write(Buffer.from('x'))), 'BACKEND_FAILED')
      await expectStorageError(writer.close(), 'BACKEND_FAILED')
      expect(writer.size).toBe(3)
      await opened.close()
      await expect
        .poll(async () => Object.keys(await current().server.objects(opened.bucket)))
        .toEqual(['file'])
    })
  })

  describe('an answer that is lost', () => {
    it('of a new file: it is there, and the writer goes on', async () => {
      failFirst(/^POST \/upload/, { loseAnswer: true })
      const writer = await driver.append('/file')
      await writer.write(Buffer.from('one '))
      await writer.sync()
      expect(requests(/^POST \/upload/)).toHaveLength(2)
      await writer.write(Buffer.from('two'))
      await writer.close()
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('one two')
    })

    it('of a composition: it was done once', async () => {
      await driver.put('/file', Buffer.from('one '))
      failFirst(/compose/, { loseAnswer: true })
      await writeFile(driver, '/file', [Buffer.from('two')])
      expect(requests(/compose/)).toHaveLength(2)
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('one two')
    })

    it('of a composition after which somebody else wrote: the writer fails', async () => {
      await driver.put('/file', Buffer.from('one '))
      const writer = await driver.append('/file')
      await writer.write(Buffer.from('two'))
      const gate = Promise.withResolvers<void>()
      let composed = 0
      current().server.front.fault = ({ url }) => {
        if (!url?.includes('compose')) return undefined
        return composed++ === 0 ? { loseAnswer: true } : { waitFor: gate.promise }
      }
      const syncing = writer.sync()
      await expect.poll(() => composed).toBe(2)
      await driver.put('/file', Buffer.from('other'))
      gate.resolve()
      await expectStorageError(syncing, 'OFFSET_INVALID')
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('other')
    })

    it('of a move to where nothing stood: it was moved', async () => {
      await driver.put('/from', Buffer.from('content'))
      failFirst(/rewriteTo/, { loseAnswer: true })
      expect(await driver.move('/from', '/to', { replace: false })).toBe(true)
      expect(await namesIn(driver, '/')).toEqual(['to'])
    })
  })

  describe('move', () => {
    it('leaves what stands there, when it is not to be replaced', async () => {
      await driver.put('/from', Buffer.from('new'))
      await driver.put('/to', Buffer.from('old'))
      expect(await driver.move('/from', '/to', { replace: false })).toBe(false)
      expect(Buffer.from(await driver.get('/to')).toString()).toBe('old')
      expect(await namesIn(driver, '/')).toEqual(['from', 'to'])
    })

    it('saves the removal where the file may stay', async () => {
      await driver.put('/from', Buffer.from('content'))
      expect(await driver.move('/from', '/to', { replace: false, mayStay: true })).toBe(true)
      expect(requests(/^DELETE/)).toEqual([])
      expect(Buffer.from(await driver.get('/to')).toString()).toBe('content')
    })

    it('is asked on and on where the storage takes several calls to copy', async () => {
      await driver.put('/from', Buffer.from('content'))
      failFirst(/rewriteTo/, { status: 200, body: { done: false, rewriteToken: 'onward' } })
      await driver.move('/from', '/to')
      expect(requests(/rewriteTo.*rewriteToken=onward/)).toHaveLength(1)
      expect(Buffer.from(await driver.get('/to')).toString()).toBe('content')
    })
  })

  describe('delete', () => {
    it('takes more children than fit into a page', async () => {
      const names = Array.from({ length: 1_100 }, (_, index) => `/a/${index % 3}/${index}`)
      await Promise.all([...names, '/ab'].map((name) => driver.put(name, Buffer.alloc(0))))
      await driver.delete('/a')
      expect(Object.keys(await current().server.objects(opened.bucket))).toEqual(['ab'])
    })

    it('does not list a folder whose files are known', async () => {
      for (const name of ['data', 'startedat', 'other']) await driver.put(`/a/${name}`, Buffer.from(name))
      current().server.front.requests.length = 0
      await driver.delete('/a', { holding: ['data', 'startedat', 'absent'] })
      expect(requests(/^DELETE/)).toHaveLength(3)
      expect(await namesIn(driver, '/a')).toEqual(['other'])
    })
  })

  describe('read', () => {
    const content = distinctBytes(3_000_000)
    beforeEach(() => driver.put('/file', content))

    it('asks for the rest where the connection breaks, of the same generation', async () => {
      failFirst(/alt=media/, { breakAfter: 1_000_000 })
      expectSameBytes(await collect(driver.read('/file')), content)
      expect(requests(/alt=media&generation=\d+/)).toHaveLength(1)
    })

    it('the same of a range', async () => {
      failFirst(/alt=media/, { breakAfter: 500_000 }, 3)
      const range = { start: 1_000_001, end: 2_999_990 }
      expectSameBytes(await collect(driver.read('/file', { range })), content.subarray(1_000_001, 2_999_991))
      expect(requests(/alt=media&generation/)).toHaveLength(3)
    })

    it('gives up where nothing comes any more', async () => {
      failFirst(/alt=media/, { breakAfter: 0 }, 1000)
      await expectStorageError(collect(driver.read('/file')), 'BUSY')
    })

    it('never goes on with what replaced the file', async () => {
      const reader = driver.read('/file')[Symbol.asyncIterator]()
      failFirst(/alt=media/, { breakAfter: 1_000_000 })
      await reader.next()
      await driver.put('/file', distinctBytes(3_000_000, 2))
      const rest = async () => {
        for (let step = await reader.next(); step.done !== true; ) step = await reader.next()
      }
      await expectStorageError(rest(), 'BACKEND_FAILED')
    })

    it('waits for a slow consumer', async () => {
      const { driver, close } = await current().open({ idleMs: 50, bucket: opened.bucket })
      const chunks: Buffer[] = []
      for await (const chunk of driver.read('/file')) {
        if (chunks.length === 0) await new Promise((resolve) => setTimeout(resolve, 200))
        chunks.push(Buffer.from(chunk))
      }
      expectSameBytes(Buffer.concat(chunks), content)
      expect(requests(/alt=media&generation/)).toEqual([])
      await close()
    })

    it('that is left early does not disturb others', async () => {
      const others = [driver.read('/file'), driver.read('/file')].map((read) => read[Symbol.asyncIterator]())
      const starts = await Promise.all(others.map(async (other) => Buffer.from((await other.next()).value)))
      for await (const _chunk of driver.read('/file')) break
      for (const [index, other] of others.entries()) {
        const chunks = [starts[index] as Buffer]
        for (let step = await other.next(); step.done !== true; step = await other.next()) {
          chunks.push(Buffer.from(step.value))
        }
        expectSameBytes(Buffer.concat(chunks), content)
      }
      expect(requests(/alt=media&generation/)).toEqual([])
    })
  })

  describe('what the storage refuses', () => {
    const everything: [string, (driver: StorageDriver) => Promise<unknown>][] = [
      ['stat', (driver) => driver.stat('/file')],
      ['get', (driver) => driver.get('/file')],
      ['read', (driver) => collect(driver.read('/file'))],
      ['put', (driver) => driver.put('/file', Buffer.from('x'))],
      ['append', (driver) => writeFile(driver, '/file', [Buffer.from('x')])],
      ['list', (driver) => collectAll(driver.list('/folder'))],
      ['move', (driver) => driver.move('/file', '/other')],
      ['delete', (driver) => driver.delete('/file')],
      ['leftovers', (driver) => collectAll(driver.leftovers())],
    ]

    describe.each(everything)('%s', (_name, work) => {
      beforeEach(() => driver.put('/file', Buffer.from('content')))

      it.each([
        [408, 'BUSY'],
        [429, 'BUSY'],
        [503, 'BUSY'],
        [401, 'BACKEND_FAILED'],
        [403, 'BACKEND_FAILED'],
        [500, 'BACKEND_FAILED'],
      ] as const)('%i is told as %s', async (status, code) => {
        failFirst(/./, { status }, 1000)
        const error = await expectStorageError(work(driver), code)
        expect(error.message).toContain(`${status} as the test wants it`)
        expect(error.cause).toBeInstanceOf(Error)
      })

      it('a moment of 503 is waited for', async () => {
        failFirst(/./, { status: 503 }, 2)
        await work(driver)
      })

      it('a missing bucket is not a missing file', async () => {
        await current().server.deleteBucketWithAll(opened.bucket)
        const error = await expectStorageError(work(driver), 'BACKEND_FAILED')
        expect(error.message).toContain(`the bucket ${opened.bucket} does not exist`)
      })
    })

    it('a server that is gone is told as BUSY', async () => {
      const { server } = current()
      const bucket = await server.createBucket()
      const other = await GcsDriver.open({ ...(await current().options({ bucket })) })
      await server.front.away(async () => {
        for (const [, work] of everything) await expectStorageError(work(other), 'BUSY')
      })
      await other.close()
    })

    it('a server that says nothing is told as BUSY', async () => {
      const { driver, close } = await current().open({ idleMs: 100 })
      await driver.put('/file', Buffer.from('content'))
      const gate = Promise.withResolvers<void>()
      current().server.front.fault = () => ({ waitFor: gate.promise })
      for (const [, work] of everything) {
        const error = await expectStorageError(work(driver), 'BUSY')
        expect(error.message).toContain('nothing came for 0.1 s')
      }
      gate.resolve()
      await close()
    })

    it('a path that is longer than names may be is refused to writers, and not there for readers', async () => {
      const path = `/${Array.from({ length: 5 }, () => 'n'.repeat(220)).join('/')}`
      await expectStorageError(driver.put(path, Buffer.from('x')), 'PATH_INVALID')
      await expectStorageError(driver.append(path), 'PATH_INVALID')
      await expectStorageError(driver.get(path), 'PATH_NOT_FOUND')
      await expectStorageError(driver.stat(path), 'PATH_NOT_FOUND')
    })
  })

  describe('redirectUrl', () => {
    it('is a URL signed with the key, for 20 minutes, and asks nobody', async () => {
      const { credentials, publicKey } = serviceAccount()
      const { driver, bucket, close } = await current().open({ credentials, rootdirectory: 'root' })
      current().server.front.requests.length = 0
      const url = (await driver.redirectUrl('/a/file')) as URL
      expect(current().server.front.requests).toEqual([])
      expect(url.pathname).toBe(`/${bucket}/root/a/file`)
      expect(url.searchParams.get('X-Goog-Expires')).toBe('1200')
      expect(url.searchParams.get('X-Goog-Credential')).toContain('registry@project.iam.gserviceaccount.com/')
      expect(isSignedBy(publicKey, url)).toBe(true)
      await close()
    })

    it('is none where no key is at hand', async () => {
      expect(await driver.redirectUrl('/a/file')).toBeUndefined()
    })
  })

  it('no more calls are under way at a time than are allowed', async () => {
    const { driver, close } = await current().open({ maxconcurrency: 3 })
    const { front } = current().server
    front.requests.length = 0
    const gate = Promise.withResolvers<void>()
    front.fault = () => ({ waitFor: gate.promise })
    const puts = Array.from({ length: 10 }, (_, index) => driver.put(`/${index}`, Buffer.from('x')))
    await expect.poll(() => front.requests.length).toBe(3)
    expect(await Promise.race([...puts, new Promise((resolve) => setImmediate(resolve, 'none'))])).toBe(
      'none',
    )
    expect(front.requests).toHaveLength(3)
    gate.resolve()
    await Promise.all(puts)
    await close()
  })

  it('the storage is told who asks', async () => {
    const agents = new Set<string | undefined>()
    current().server.front.fault = ({ headers }) => void agents.add(headers['user-agent'])
    const { driver, close } = await current().open({ useragent: 'our-registry/1' })
    await driver.put('/file', Buffer.from('x'))
    await driver.get('/file')
    agents.delete('node') // the test's own
    expect([...agents]).toEqual(['our-registry/1'])
    await close()
  })

  describe('a start', () => {
    const refused = (changes: object) =>
      current()
        .options(changes)
        .then((options) => expectStorageError(GcsDriver.open(options), 'BACKEND_FAILED'))

    it('without the bucket says so', async () => {
      const { message } = await refused({ bucket: 'absent' })
      expect(message).toMatch(/^storage\.gcs\.bucket: .*the bucket absent does not exist/)
    })

    it('with a host that is not there says which', async () => {
      const options = await current().options()
      vi.stubEnv('STORAGE_EMULATOR_HOST', 'http://127.0.0.1:1')
      const error = await expectStorageError(GcsDriver.open(options), 'BUSY')
      expect(error.message).toMatch(/^storage\.gcs\.bucket: .*http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/)
      vi.stubEnv('STORAGE_EMULATOR_HOST', 'localhost:4443')
      const { message } = await expectStorageError(GcsDriver.open(options), 'BACKEND_FAILED')
      expect(message).toContain('STORAGE_EMULATOR_HOST')
      vi.stubEnv('STORAGE_EMULATOR_HOST', current().server.url)
    })

    it('with a key file that cannot be used says why', async () => {
      await using folder = await temporaryFolder()
      const keyfile = `${folder.path}/key.json`
      expect((await refused({ keyfile })).message).toMatch(/^storage\.gcs\.keyfile: .*ENOENT/)
      await writeToDisk(keyfile, '{')
      expect((await refused({ keyfile })).message).toMatch(/^storage\.gcs\.keyfile: .*is not JSON/)
      await writeToDisk(keyfile, '{"type": "service_account"}')
      expect((await refused({ keyfile })).message).toMatch(/^storage\.gcs\.keyfile: .*no private_key/)
    })

    it('with credentials that lack something says so', async () => {
      const { message } = await refused({ credentials: { client_email: 'registry@example.com' } })
      expect(message).toMatch(/^storage\.gcs\.credentials: .*no private_key/)
    })

    it('with a key file that is one can sign', async () => {
      await using folder = await temporaryFolder()
      const keyfile = `${folder.path}/key.json`
      await writeToDisk(keyfile, JSON.stringify(serviceAccount().credentials))
      const { driver, close } = await current().open({ keyfile })
      expect(await driver.redirectUrl('/file')).toBeInstanceOf(URL)
      await close()
    })
  })
})

function serviceAccount() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const credentials = {
    type: 'service_account',
    client_email: 'registry@project.iam.gserviceaccount.com',
    // As it comes out of a variable.
    private_key: privateKey.replaceAll('\n', '\\n'),
  }
  return { credentials, publicKey }
}

/** By the rules of V4 signatures.
 *  @see https://cloud.google.com/storage/docs/authentication/signatures */
function isSignedBy(publicKey: string, url: URL): boolean {
  const { 'X-Goog-Signature': signature = '', ...signed } = Object.fromEntries(url.searchParams)
  const query = Object.keys(signed)
    .sort()
    .map((key) => `${encodeURIComponent(key)}=${encodeURIComponent(signed[key] as string)}`)
    .join('&')
  const canonical = ['GET', url.pathname, query, `host:${url.hostname}\n`, 'host', 'UNSIGNED-PAYLOAD'].join(
    '\n',
  )
  const scope = (signed['X-Goog-Credential'] as string).split('/').slice(1).join('/')
  const text = ['GOOG4-RSA-SHA256', signed['X-Goog-Date'], scope, sha256(canonical)].join('\n')
  return createVerify('RSA-SHA256').update(text).verify(publicKey, signature, 'hex')
}

function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}
