/** Clients that hang up: the audit log says who they were and what came of their requests all the same. */
import { EventEmitter, once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import type { AuditEntry, AuditLog } from '../../../src/core/access/audit-log.ts'
import { NO_CACHE } from '../../../src/core/descriptor-cache.ts'
import { digestOf } from '../../../src/core/digest.ts'
import { StorageError } from '../../../src/core/errors.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import type { RequestObserver, ServedRequest } from '../../../src/core/request-observer.ts'
import type { TlsSettings } from '../../../src/http/connection/tls-settings.ts'
import { MemoryDriver } from '../../../src/storage/memory.ts'
import { tlsPolicy } from '../../../src/tls/policy.ts'
import { basic, GuardedRegistry, rule } from '../../support/access.ts'
import { Authority, type KeyPair } from '../../support/authority.ts'
import { HttpRegistry } from '../../support/http-registry.ts'
import { Http2Client } from '../../support/http2-client.ts'
import { payloadOf } from '../../support/manifest-json.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { ServerExchanges } from '../../support/server-exchanges.ts'

let authority: Authority
let own: KeyPair
beforeAll(async () => {
  authority = await Authority.create('the authority')
  own = await authority.issue('registry')
})

function tls(): TlsSettings {
  return {
    secureContext: { ...tlsPolicy({ minimumtls: 'tls1.2', ciphersuites: [] }), ...own },
    clientCertificates: { isRequested: false, isRequired: false, isVerified: false },
    http2: true,
  }
}

interface Parts {
  readonly headers: Record<string, string>
  readonly body?: Uint8Array
}

/** Sends a request, after whose body more is to come where there is one; returns how to hang up. */
type Send = (registry: HttpRegistry, request: string, parts: Parts) => Promise<() => void>

const overHttp1 =
  (isTls: boolean): Send =>
  async ({ port }, request, { headers, body }) => {
    const options = { host: '127.0.0.1', port, rejectUnauthorized: false }
    const socket: Socket = isTls ? connectTls(options) : connectTcp(options)
    socket.on('error', () => {})
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
    socket.write(`${[`${request} HTTP/1.1`, 'Host: localhost', ...lines].join('\r\n')}\r\n\r\n`)
    if (body !== undefined) socket.write(body)
    return () => socket.destroy()
  }

type Stream = ReturnType<Http2Client['open']>

const overHttp2 =
  (leave: (stream: Stream) => void): Send =>
  async ({ url }, request, { headers, body }) => {
    const client = await Http2Client.connect(url, { ca: authority.cert })
    const stream = client.open(request, headers)
    stream.once('close', () => client[Symbol.dispose]())
    if (body !== undefined) stream.write(body)
    else stream.end()
    return () => leave(stream)
  }

const CANCEL = 8
const reset = overHttp2((stream) => stream.close(CANCEL))
const disconnected = overHttp2((stream) => stream.session?.destroy())

/** What was recorded, by the audit log and for the metrics. */
class Recorded implements AuditLog, RequestObserver {
  readonly entries: AuditEntry[] = []
  readonly served: ServedRequest[] = []
  begunCount = 0
  readonly #events = new EventEmitter()

  record(entry: AuditEntry): void {
    this.entries.push(entry)
    this.#events.emit('change')
  }

  begun(): void {
    this.begunCount += 1
    this.#events.emit('change')
  }

  ended(_resource: string, request: ServedRequest): void {
    this.served.push(request)
    this.#events.emit('change')
  }

  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) await once(this.#events, 'change')
  }
}

const index = payloadOf({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] })
const large = Buffer.alloc(16 * 1024 ** 2, 'large')

/** A driver whose next deletion waits, with a repository `a` in it. */
async function heldDriver({ withLarge = false } = {}) {
  const driver = new MemoryDriver()
  const client = await HttpRegistry.start({ driver })
  const headers = { 'content-type': MediaType.ociIndex }
  expect((await client.send('PUT /v2/a/manifests/v1', { body: index, headers })).status).toBe(201)
  if (withLarge) await client.client.pushBlob('a', large)
  await client.stop()
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
  const held = { driver, reached, release, fault: undefined as StorageError | undefined }
  const remove = driver.delete.bind(driver)
  driver.delete = async (...deletion) => {
    reach()
    await released
    if (held.fault !== undefined) throw held.fault
    await remove(...deletion)
  }
  return held
}

/** Enough for a client to have left before a password is found right or wrong. */
const SLOW_COST = 11

const rules = [rule('a', 'alice', '*')]
const DELETE = 'DELETE /v2/a/manifests/v1'
const deletion = { method: 'DELETE', action: 'delete', repository: 'a', tags: ['v1'], status: 499 }
const alice = { user: 'alice', kind: 'user', address: '127.0.0.1' }

const transports: { transport: string; isTls: boolean; send: Send }[] = [
  { transport: 'HTTP/1.1', isTls: false, send: overHttp1(false) },
  { transport: 'HTTP/1.1 over TLS', isTls: true, send: overHttp1(true) },
  { transport: 'HTTP/2 in the clear, whose stream is reset', isTls: false, send: reset },
  { transport: 'HTTP/2 over TLS, whose connection is lost', isTls: true, send: disconnected },
]

describe.each(transports)('a request over $transport', ({ isTls, send }) => {
  interface StartOptions {
    readonly cost?: number
    readonly withLarge?: boolean
    readonly requestsPerSecond?: number
  }

  async function start({ cost = 4, withLarge = false, requestsPerSecond = 0 }: StartOptions = {}) {
    const recorded = new Recorded()
    const log = await RecordedLog.start()
    const held = await heldDriver({ withLarge })
    const guarded = await GuardedRegistry.start({
      ...{ users: ['alice', 'bob'], cost, auth: { rules } },
      ...{ driver: held.driver, cache: NO_CACHE, tls: isTls ? tls() : undefined },
      ...{ audit: recorded, observer: recorded, log: log.log },
      settings: { h2c: !isTls, requestsPerSecond },
    })
    const exchanges = new ServerExchanges()
    return {
      ...{ registry: guarded.registry, recorded, log, held },
      /** Sends a request, and leaves as soon as it is looked at and `when` is fulfilled; fulfilled when the server knows. */
      async leave(request: string, parts: Parts, when?: Promise<unknown>): Promise<void> {
        const count = recorded.begunCount + 1
        const hangUp = await send(guarded.registry, request, parts)
        await recorded.until(() => recorded.begunCount === count)
        await when
        hangUp()
        await exchanges.closed(count)
      },
      /** What was recorded of the only request. */
      async only() {
        await recorded.until(() => recorded.served.length > 0)
        const line = JSON.parse(await log.until('response aborted'))
        expect([recorded.served.length, recorded.entries.length]).toEqual([1, 1])
        return { entry: recorded.entries[0], served: recorded.served[0], line }
      },
      async [Symbol.asyncDispose]() {
        exchanges[Symbol.dispose]()
        held.release()
        await guarded[Symbol.asyncDispose]()
      },
    }
  }

  test('that is left before the password was found right', async () => {
    await using started = await start({ cost: SLOW_COST })
    started.held.release()
    await started.leave(DELETE, { headers: basic('alice') })
    expect(started.recorded.entries).toEqual([])
    const { entry, served, line } = await started.only()
    expect(entry).toMatchObject({ ...alice, ...deletion, allowed: true, outcome: 'done' })
    expect([served?.status, line['http.response.status']]).toEqual([499, 499])
  })

  test('that is left before the password was found wrong', async () => {
    await using started = await start({ cost: SLOW_COST })
    started.held.release()
    await started.leave(DELETE, { headers: basic('alice', 'wrong') })
    const { entry } = await started.only()
    expect(entry).toMatchObject({ user: '', kind: 'anonymous', claimedUser: 'alice', ...deletion })
    expect(entry).toMatchObject({ allowed: false, outcome: 'not done' })
  })

  test('of a user who may not do it', async () => {
    await using started = await start({ cost: SLOW_COST })
    await started.leave(DELETE, { headers: basic('bob') })
    const { entry } = await started.only()
    expect(entry).toMatchObject({ user: 'bob', kind: 'user', ...deletion })
    expect(entry).toMatchObject({ allowed: false, outcome: 'not done' })
    expect(entry).not.toHaveProperty('claimedUser', expect.anything())
  })

  test('of a user who sends too many', async () => {
    await using started = await start({ cost: SLOW_COST, requestsPerSecond: 0.5 })
    await started.leave(DELETE, { headers: basic('bob') })
    expect((await started.only()).entry).toMatchObject({ user: 'bob', allowed: false, outcome: 'not done' })
  })

  test('that is left during the work, which succeeds', async () => {
    await using started = await start()
    await started.leave(DELETE, { headers: basic('alice') }, started.held.reached)
    expect(started.recorded.entries).toEqual([])
    started.held.release()
    const { entry, served, line } = await started.only()
    expect(entry).toMatchObject({ ...alice, ...deletion, allowed: true, outcome: 'done' })
    expect([served?.status, line['http.response.status']]).toEqual([499, 499])
  })

  test('that is left during the work, which fails', async () => {
    await using started = await start()
    started.held.fault = new StorageError('BACKEND_FAILED', { path: '/' })
    await started.leave(DELETE, { headers: basic('alice') }, started.held.reached)
    started.held.release()
    expect((await started.only()).entry).toMatchObject({
      ...alice,
      ...deletion,
      allowed: true,
      outcome: 'failed',
    })
  })

  test('that is left before its body is whole', async () => {
    await using started = await start()
    const headers = {
      ...basic('alice'),
      'content-type': MediaType.ociIndex,
      'content-length': `${index.length}`,
    }
    await started.leave('PUT /v2/a/manifests/v2', { headers, body: index.subarray(0, 10) })
    const pushed = { action: 'tag', tags: ['v2'], status: 499, allowed: true, outcome: 'failed' }
    expect((await started.only()).entry).toMatchObject({ ...alice, ...pushed })
  })

  test('that is left while its answer goes out', async () => {
    await using started = await start({ withLarge: true })
    const { recorded } = started
    await started.leave(`GET /v2/a/blobs/${digestOf(large)}`, { headers: basic('alice') })
    const { entry, served, line } = await started.only()
    const pulled = { action: 'pull', digest: digestOf(large), status: 499, allowed: true, outcome: 'failed' }
    expect(entry).toMatchObject({ ...alice, ...pulled })
    expect([served?.status, line['http.response.status']]).toEqual([499, 499])
    expect(recorded.served[0]?.responseBytes).toBeLessThan(large.length)
  })

  test('that is cut off by the end of the process', async () => {
    await using started = await start()
    const { recorded, held, registry } = started
    const hangUp = await send(registry, DELETE, { headers: basic('alice') })
    await held.reached
    await registry.stop(0)
    hangUp()
    const unknown = { ...alice, ...deletion, allowed: true, outcome: 'unknown' }
    expect(recorded.entries).toMatchObject([unknown])
    held.release()
    await new Promise(setImmediate)
    expect(recorded.entries).toHaveLength(1)
  })
})

test('an answer that the registry breaks off is an error of its own', async () => {
  const recorded = new Recorded()
  const { driver } = await heldDriver({ withLarge: true })
  const read = driver.read.bind(driver)
  driver.read = async function* (path, options) {
    for await (const chunk of read(path, options)) {
      yield chunk.subarray(0, 1000)
      throw new Error('the disk is gone')
    }
  }
  await using guarded = await GuardedRegistry.start({
    ...{ users: ['alice'], auth: { rules }, driver, cache: NO_CACHE, audit: recorded, observer: recorded },
  })
  await expect(guarded.send(`GET /v2/a/blobs/${digestOf(large)}`, 'alice')).rejects.toThrow()
  await recorded.until(() => recorded.served.length > 0)
  expect(recorded.entries).toMatchObject([{ ...alice, status: 500, allowed: true, outcome: 'failed' }])
  expect(recorded.served).toMatchObject([{ status: 500 }])
})
