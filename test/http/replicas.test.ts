/** Two servers over one storage, between which a client's requests go back and forth. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { BucketLikeDriver } from '../support/bucket-like-driver.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { HttpRegistry, refusal } from '../support/http-registry.ts'

const bytes = Buffer.from('0123456789abcdef')
const digest = digestOf(bytes)
const first = bytes.subarray(0, 8)
const second = bytes.subarray(8)

/** Both replicas, and where an upload that the first one has begun goes on. */
async function begun(driver: FaultyDriver) {
  const here = await HttpRegistry.start({ driver })
  const there = await HttpRegistry.start({ driver })
  const location = (await here.send('POST /v2/a/blobs/uploads/')).headers.location!
  const stop = async () => {
    await here.stop()
    await there.stop()
  }
  return { here, there, location, [Symbol.asyncDispose]: stop }
}

const drivers = [
  { name: 'a driver', open: () => new FaultyDriver(new MemoryDriver()) },
  { name: 'a bucket', open: () => new BucketLikeDriver(new MemoryDriver()) },
]

test.each(drivers)('chunks with a Content-Range go to either ($name)', async ({ open }) => {
  await using replicas = await begun(open())
  const { here, there, location } = replicas
  for (const [index, byte] of bytes.entries()) {
    const headers = { 'content-range': `${index}-${index}` }
    const replica = index % 3 === 1 ? here : there
    const answer = await replica.send(`PATCH ${location}`, { headers, body: Buffer.of(byte) })
    expect([answer.status, answer.headers.range]).toEqual([202, `0-${index}`])
  }
  expect((await here.send(`PUT ${location}?digest=${digest}`)).status).toBe(201)
  expect((await there.send(`GET /v2/a/blobs/${digest}`)).body).toEqual(bytes)
})

test.each(drivers)('a PUT whose answer was lost is repeated at the other one ($name)', async ({ open }) => {
  await using replicas = await begun(open())
  const { here, there, location } = replicas
  expect((await here.send(`PATCH ${location}`, { body: first })).status).toBe(202)
  expect((await there.send(`PUT ${location}?digest=${digest}`, { body: second })).status).toBe(201)
  expect((await here.send(`PUT ${location}?digest=${digest}`, { body: second })).status).toBe(201)
  expect((await here.send(`PUT ${location}?digest=${digest}`)).status).toBe(201)
  expect((await here.send(`GET ${location}`)).status).toBe(404)
})

test.each(drivers)('a PUT of all bytes is repeated where the upload was begun ($name)', async ({ open }) => {
  await using replicas = await begun(open())
  const { here, there, location } = replicas
  for (const replica of [there, here, there]) {
    expect((await replica.send(`PUT ${location}?digest=${digest}`, { body: bytes })).status).toBe(201)
  }
  expect((await here.send(`GET ${location}`)).status).toBe(404)
})

test.each(drivers)(
  'a chunk that the other one took is refused, and where it goes on is said ($name)',
  async ({ open }) => {
    await using replicas = await begun(open())
    const { here, there, location } = replicas
    const headers = { 'content-range': '0-7' }
    expect((await there.send(`PATCH ${location}`, { headers, body: first })).status).toBe(202)
    const repeated = await here.send(`PATCH ${location}`, { headers, body: first })
    expect(refusal(repeated)).toBe('416 RANGE_INVALID')
    expect(repeated.headers).toMatchObject({ range: '0-7', location })
    expect((await here.send(`GET ${location}`)).headers.range).toBe('0-7')
    const rest = { headers: { 'content-range': '8-15' }, body: second }
    expect((await here.send(`PUT ${location}?digest=${digest}`, rest)).status).toBe(201)
  },
)

test('where an offset shows only when bytes are kept, a chunk that names none is refused and can be repeated', async () => {
  await using replicas = await begun(new BucketLikeDriver(new MemoryDriver()))
  const { here, there, location } = replicas
  expect((await there.send(`PATCH ${location}`, { body: first })).status).toBe(202)
  const stale = await here.send(`PATCH ${location}`, { body: second })
  expect([stale.status, stale.headers.range]).toEqual([416, '0-7'])
  expect((await here.send(`PATCH ${location}`, { body: second })).headers.range).toBe('0-15')
  expect((await there.send(`PUT ${location}?digest=${digest}`)).status).toBe(201)
})

test('an upload that was cancelled at the other one is gone', async () => {
  await using replicas = await begun(new FaultyDriver(new MemoryDriver()))
  const { here, there, location } = replicas
  expect((await here.send(`PATCH ${location}`, { body: first })).status).toBe(202)
  expect((await there.send(`DELETE ${location}`)).status).toBe(204)
  expect(refusal(await here.send(`PATCH ${location}`, { body: second }))).toBe('404 BLOB_UPLOAD_UNKNOWN')
  expect(refusal(await here.send(`PUT ${location}?digest=${digest}`))).toBe('404 BLOB_UPLOAD_UNKNOWN')
  expect(refusal(await here.send(`DELETE ${location}`))).toBe('404 BLOB_UPLOAD_UNKNOWN')
})
