/** Connections of HTTP/2 end with their sessions, whatever their clients leave undone. Each test stops the server, which waits
 *  for every connection that is not over. */
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { BothSchemes, type Scheme } from '../support/both-schemes.ts'
import { HttpRegistry, type HttpRegistryOptions } from '../support/http-registry.ts'
import { emptySettings, FrameType, frame, PREFACE, requestFrame } from '../support/http2-frames.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const DRAIN_MS = 60_000
/** What is enough on any machine, and far from the time that is given for what runs. */
const PROMPT_MS = 20_000

let schemes: BothSchemes
beforeAll(async () => {
  schemes = await BothSchemes.create()
})

const start = (scheme: Scheme, options?: HttpRegistryOptions) => schemes.start(scheme, options)

/** A connection on which no frame was sent yet. */
async function connectTo({ port, url }: HttpRegistry): Promise<Socket> {
  if (url.startsWith('http:')) {
    const socket = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true })
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  const bare = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true })
  bare.on('error', () => {})
  return encrypt(bare)
}

async function encrypt(bare: Duplex): Promise<TLSSocket> {
  const socket = connectTls({ socket: bare, ca: schemes.ca, ALPNProtocols: ['h2'] })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

async function expectPromptStop(registry: HttpRegistry): Promise<void> {
  const begin = performance.now()
  await registry.stop(DRAIN_MS)
  expect(performance.now() - begin).toBeLessThan(PROMPT_MS)
}

/** RFC 9113 section 6.9: an increment of 0 is an error, of the whole connection here. */
const brokenFrame = frame({ type: FrameType.windowUpdate, payload: Buffer.alloc(4) })
const largestWindow = Buffer.from('7fff0000', 'hex')
const largestWindows = Buffer.concat([
  frame({ type: FrameType.settings, payload: Buffer.concat([Buffer.from('0004', 'hex'), largestWindow]) }),
  frame({ type: FrameType.windowUpdate, payload: largestWindow }),
])

/** Node learns of no failure when it writes twice to a connection that was reset: while it reads what came before. */
test('a connection that is reset behind a broken frame is closed', async () => {
  await using registry = await start('https')
  for (let n = 0; n < 10; n++) {
    const bare = connectTcp({ host: '127.0.0.1', port: registry.port })
    bare.on('error', () => {})
    const held: Buffer[] = []
    let isHeld = false
    const between = new Duplex({
      read() {},
      write(bytes, _encoding, done) {
        if (isHeld) held.push(bytes)
        else bare.write(bytes)
        done()
      },
    })
    bare.on('data', (bytes) => between.push(bytes))
    const socket = await encrypt(between)
    await once(socket, 'data')
    isHeld = true
    // Each is encrypted by itself.
    for (const bytes of [PREFACE, emptySettings, brokenFrame]) {
      socket.write(bytes)
      await expect.poll(() => socket.writableLength).toBe(0)
    }
    bare.write(Buffer.concat(held))
    bare.resetAndDestroy()
    socket.destroy()
    await nextTurn()
  }
  await expectPromptStop(registry)
})

describe.each<Scheme>(['https', 'http'])('over %s', (scheme) => {
  test('a client that reads nothing loses its connection', async () => {
    const recorded = await RecordedLog.start()
    const limits = { headerTimeoutSeconds: 0.4, keepAliveSeconds: 0.4, stallSeconds: 0.4 }
    const driver = new MemoryDriver()
    const digest = await push(driver, Buffer.alloc(32 * 1024 ** 2, 'x'))
    await using registry = await start(scheme, { log: recorded.log, limits, driver })
    const socket = await connectTo(registry)
    socket.pause()
    const request = requestFrame(`GET /v2/a/blobs/${digest}`, { stream: 1 })
    socket.write(Buffer.concat([PREFACE, largestWindows, request]))
    await recorded.until('response aborted')
    await expectPromptStop(registry)
    socket.destroy()
  })

  test('a client that does not hang up when it is told to loses its connection', async () => {
    await using registry = await start(scheme, { limits: { headerTimeoutSeconds: 0.4 } })
    const socket = await connectTo(registry)
    socket.write(Buffer.concat([PREFACE, emptySettings, requestFrame('GET /v2/', { stream: 1 })]))
    await once(socket, 'data')
    await expectPromptStop(registry)
    socket.destroy()
  })
})

/** By a server that is patient. */
async function push(driver: MemoryDriver, bytes: Buffer): Promise<string> {
  const registry = await HttpRegistry.start({ driver })
  const digest = await registry.client.pushBlob('a', bytes)
  await registry.stop()
  return digest
}
