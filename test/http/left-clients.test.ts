/** What the log says of clients that leave before they have their answer. */
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import { BothSchemes, type Scheme } from '../support/both-schemes.ts'
import { HeldDriver } from '../support/held-driver.ts'
import { HttpRegistry, type HttpRegistryOptions } from '../support/http-registry.ts'
import {
  emptySettings,
  FrameType,
  frame,
  PREFACE,
  requestFrame,
  resetFrame,
} from '../support/http2-frames.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const CANCEL = 8
const bytes = Buffer.from('bytes')
const digest = digestOf(bytes)
const large = Buffer.alloc(32 * 1024 ** 2, 'x')

let schemes: BothSchemes
beforeAll(async () => {
  schemes = await BothSchemes.create()
})

const start = (scheme: Scheme, options?: HttpRegistryOptions) => schemes.start(scheme, options)

interface Connection {
  readonly socket: Socket
  /** The one that is not encrypted. */
  readonly bare: Socket
}

async function connectTo({ url, port }: HttpRegistry, protocol: 'h2' | 'http/1.1'): Promise<Connection> {
  const bare = connectTcp({ host: '127.0.0.1', port })
  bare.on('error', () => {})
  if (url.startsWith('http:')) {
    await once(bare, 'connect')
    return { socket: bare, bare }
  }
  const socket = connectTls({ socket: bare, ca: schemes.ca, ALPNProtocols: [protocol] })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return { socket, bare }
}

/** A session that has come so far that each frame is looked at when it comes. */
async function openSession(registry: HttpRegistry, settings = emptySettings): Promise<Connection> {
  const connection = await connectTo(registry, 'h2')
  const { socket } = connection
  socket.write(Buffer.concat([PREFACE, settings, requestFrame('GET /v2/', { stream: 1 })]))
  await once(socket, 'data')
  socket.resume()
  return connection
}

async function filledDriver(blob = bytes): Promise<HeldDriver> {
  const driver = new HeldDriver({ isHolding: false })
  const registry = await HttpRegistry.start({ driver })
  await registry.client.pushBlob('a', blob)
  await registry.stop()
  return driver
}

/** The lines of the requests but for those that every test makes. */
function requestsIn({ lines }: RecordedLog) {
  return lines
    .map((line) => JSON.parse(line))
    .filter((line) => ![undefined, '/v2/', '/'].includes(line['http.request.uri']))
    .map((line) => `${line['http.request.method']} ${line['http.response.status']} ${line.msg}`)
}

async function expectLeft(recorded: RecordedLog, ...methods: string[]): Promise<void> {
  await expect.poll(() => requestsIn(recorded).length).toBe(methods.length)
  expect(requestsIn(recorded)).toEqual(methods.map((method) => `${method} 499 response aborted`))
}

const BLOB = [`HEAD /v2/a/blobs/${digest}`, `GET /v2/a/blobs/${digest}`]
const SMALL = [...BLOB, 'OPTIONS /v2/a/tags/list', 'GET /v2/a/tags/list', 'GET /nowhere', 'HEAD /nowhere']

describe.each<Scheme>(['https', 'http'])('over %s', (scheme) => {
  describe('and HTTP/2', () => {
    test.each(SMALL)('%s, reset behind its request', async (request) => {
      const recorded = await RecordedLog.start()
      await using registry = await start(scheme, { log: recorded.log, driver: await filledDriver() })
      const { socket } = await openSession(registry)
      const again = 5
      for (let n = 0; n < again; n++) {
        const stream = 2 * n + 3
        socket.write(Buffer.concat([requestFrame(request, { stream }), resetFrame(stream, CANCEL)]))
        await nextTurn()
      }
      await expectLeft(recorded, ...Array<string>(again).fill(methodOf(request)))
      socket.destroy()
    })

    test.each([...BLOB, `DELETE /v2/a/blobs/${digest}`])('%s, reset while it is at work', async (request) => {
      const recorded = await RecordedLog.start()
      const driver = await filledDriver()
      await using registry = await start(scheme, { log: recorded.log, driver, cache: NO_CACHE })
      const { socket } = await openSession(registry)
      driver.isHolding = true
      socket.write(requestFrame(request, { stream: 3 }))
      await expect.poll(() => driver.waiting).toBe(1)
      socket.write(Buffer.concat([resetFrame(3, CANCEL), requestFrame('GET /', { stream: 5 })]))
      await recorded.until('"http.request.uri":"/"')
      driver.release()
      await expectLeft(recorded, methodOf(request))
      socket.destroy()
    })

    test.each([bytes, large])('an answer, reset while it waits for its client', async (blob) => {
      const recorded = await RecordedLog.start()
      await using registry = await start(scheme, { log: recorded.log, driver: await filledDriver(blob) })
      const noWindow = frame({ type: FrameType.settings, payload: Buffer.from('000400000000', 'hex') })
      const { socket } = await openSession(registry, noWindow)
      socket.write(requestFrame(`GET /v2/a/blobs/${digestOf(blob)}`, { stream: 3 }))
      await once(socket, 'data')
      socket.write(resetFrame(3, CANCEL))
      await expectLeft(recorded, 'GET')
      socket.destroy()
    })
  })

  describe('and HTTP/1.1', () => {
    test.each([...BLOB, `DELETE /v2/a/blobs/${digest}`])('%s, gone while it is at work', async (request) => {
      const recorded = await RecordedLog.start()
      const driver = await filledDriver()
      await using registry = await start(scheme, { log: recorded.log, driver, cache: NO_CACHE })
      const { socket } = await connectTo(registry, 'http/1.1')
      driver.isHolding = true
      socket.write(`${request} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      await expect.poll(() => driver.waiting).toBe(1)
      socket.destroy()
      await delay(100)
      driver.release()
      await expectLeft(recorded, methodOf(request))
    })

    test('many large answers whose connections are reset', async () => {
      const recorded = await RecordedLog.start()
      await using registry = await start(scheme, { log: recorded.log, driver: await filledDriver(large) })
      const request = `GET /v2/a/blobs/${digestOf(large)} HTTP/1.1\r\nHost: localhost\r\n\r\n`
      const count = 200
      for (let n = 0; n < count; n++) {
        const { socket, bare } = await connectTo(registry, 'http/1.1')
        socket.write(request)
        if (n % 4 === 0) await once(socket, 'data')
        else await delay(n % 4)
        bare.resetAndDestroy()
      }
      await expect
        .poll(() => recorded.lines.filter((line) => line.includes('"http.response.status":499')).length)
        .toBe(count)
    })

    test('a large answer', async () => {
      const recorded = await RecordedLog.start()
      await using registry = await start(scheme, { log: recorded.log, driver: await filledDriver(large) })
      const { socket } = await connectTo(registry, 'http/1.1')
      socket.write(`GET /v2/a/blobs/${digestOf(large)} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      await once(socket, 'data')
      socket.destroy()
      await expectLeft(recorded, 'GET')
    })
  })
})

/** Encrypted, the request would not be sent at once. */
test.each(SMALL)('in the clear, %s, and gone', async (request) => {
  const recorded = await RecordedLog.start()
  await using registry = await start('http', { log: recorded.log, driver: await filledDriver() })
  const { socket, bare } = await connectTo(registry, 'http/1.1')
  socket.write(`${request} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  bare.resetAndDestroy()
  await expectLeft(recorded, methodOf(request))
})

function methodOf(request: string): string {
  return request.split(' ')[0] ?? ''
}
