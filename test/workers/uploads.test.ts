/** One upload on connections to several workers. */
import { once } from 'node:events'
import type { ClientRequest } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { refusal } from '../support/http-registry.ts'
import { sha256 } from '../support/oci-image.ts'
import { answerTo, type KeptConnection, RegistryOfWorkers } from './support.ts'

let registry: RegistryOfWorkers
let one: KeptConnection
let other: KeptConnection
beforeEach(async () => {
  registry = await RegistryOfWorkers.start(2)
  ;[one, other] = (await registry.connectToEach(2)) as [KeptConnection, KeptConnection]
})
afterEach(() => registry[Symbol.asyncDispose]())

/** A PATCH of 8 bytes of which 4 have been taken: the worker writes. */
async function halfPatch(connection: KeptConnection, location: string): Promise<ClientRequest> {
  const patch = connection.begin(`PATCH ${location}`, { 'content-length': 8, expect: '100-continue' })
  patch.flushHeaders()
  await once(patch, 'continue')
  patch.write('half')
  return patch
}

async function expectBlob(bytes: Buffer): Promise<void> {
  for (const connection of [one, other]) {
    const { status, body } = await connection.send(`GET /v2/a/blobs/${sha256(bytes)}`)
    expect(status).toBe(200)
    expect(body.equals(bytes)).toBe(true)
  }
}

test('while one worker writes to an upload, another one is refused', async () => {
  const { location } = await registry.client.beginUpload('a')
  const patch = await halfPatch(one, location)
  expect(refusal(await other.send(`PATCH ${location}`, { body: 'x' }))).toBe('416 RANGE_INVALID')
  expect(refusal(await other.send(`DELETE ${location}`))).toBe('416 RANGE_INVALID')
  const finish = `PUT ${location}?digest=${sha256(Buffer.from('half'))}`
  expect(refusal(await other.send(finish))).toBe('416 RANGE_INVALID')
  expect((await answerTo(patch.end('done'))).status).toBe(202)
  expect((await other.send(`PATCH ${location}`, { body: '!' })).status).toBe(202)
  const bytes = Buffer.from('halfdone!')
  expect((await one.send(`PUT ${location}?digest=${sha256(bytes)}`)).status).toBe(201)
  await expectBlob(bytes)
})

test('of many that write at the same place one succeeds, and only its bytes are there', async () => {
  for (let round = 0; round < 10; round++) {
    const { location } = await registry.client.beginUpload('a')
    const bodies = [Buffer.alloc(300_000, `one ${round}`), Buffer.alloc(300_000, `other ${round}`)]
    const headers = { 'content-range': '0-299999' }
    const sent = await Promise.all(
      [one, other].map((to, index) => to.send(`PATCH ${location}`, { headers, body: bodies[index] })),
    )
    const statuses = sent.map(({ status }) => status)
    expect(statuses.toSorted()).toEqual([202, 416])
    const bytes = bodies[statuses.indexOf(202)] as Buffer
    expect((await one.send(`PUT ${location}?digest=${sha256(bytes)}`)).status).toBe(201)
    await expectBlob(bytes)
  }
})

test('chunks that go to one worker after the other become one blob', async () => {
  const { location } = await registry.client.beginUpload('a')
  const chunks = Array.from({ length: 6 }, (_, index) => Buffer.alloc(100_000, `chunk ${index}`))
  let offset = 0
  for (const [index, body] of chunks.entries()) {
    const headers = { 'content-range': `${offset}-${offset + body.length - 1}` }
    const answer = await (index % 2 === 0 ? one : other).send(`PATCH ${location}`, { headers, body })
    offset += body.length
    expect([answer.status, answer.headers.range]).toEqual([202, `0-${offset - 1}`])
  }
  const bytes = Buffer.concat(chunks)
  expect((await other.send(`PUT ${location}?digest=${sha256(bytes)}`)).status).toBe(201)
  await expectBlob(bytes)
})

test('a worker that ends while it writes leaves an upload that another one goes on with', async () => {
  const { location } = await registry.client.beginUpload('a')
  expect((await one.send(`PATCH ${location}`, { body: 'begun ' })).status).toBe(202)
  const patch = await halfPatch(one, location)
  const broken = expect(answerTo(patch)).rejects.toThrow()
  process.kill(await registry.pidOf(one.worker), 'SIGKILL')
  await broken
  await registry.logged(({ worker, signal }) => worker === one.worker && signal === 'SIGKILL')
  const { headers } = await other.send(`GET ${location}`)
  const size = Number(String(headers.range).split('-')[1]) + 1
  const kept = 'begun half'.slice(0, size)
  expect(size).toBeGreaterThanOrEqual('begun '.length)
  const bytes = Buffer.from(`${kept} and done`)
  const finished = await other.send(`PUT ${location}?digest=${sha256(bytes)}`, { body: ' and done' })
  expect(finished.status).toBe(201)
  expect((await other.send(`GET /v2/a/blobs/${sha256(bytes)}`)).body.equals(bytes)).toBe(true)
})
