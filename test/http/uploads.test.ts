/** OCI Distribution Specification 1.1, "Pushing blobs", and what clients do beyond it. */
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { type Answer, HttpRegistry, type RequestParts, refusal } from '../support/http-registry.ts'
import { seededRandom } from '../support/random.ts'

const bytes = Buffer.from('0123456789abcdef')
const digest = digestOf(bytes)
const other = digestOf(Buffer.from('other'))
const uploads = '/v2/a/blobs/uploads/'
const blob = `/v2/a/blobs/${digest}`

function streamOf(...chunks: string[]): Readable {
  return Readable.from(chunks.map((chunk) => Buffer.from(chunk)))
}

async function begin(registry: HttpRegistry): Promise<string> {
  return (await registry.send(`POST ${uploads}`)).headers.location!
}

function patch(registry: HttpRegistry, location: string, parts: RequestParts): Promise<Answer> {
  return registry.send(`PATCH ${location}`, parts)
}

/** Begins an upload that has these bytes already. */
async function beginWith(registry: HttpRegistry, body: string): Promise<string> {
  const location = await begin(registry)
  expect((await patch(registry, location, { body })).status).toBe(202)
  return location
}

function finish(registry: HttpRegistry, location: string, parts: RequestParts = {}): Promise<Answer> {
  return registry.send(`PUT ${location}?digest=${digest}`, parts)
}

async function expectStored(registry: HttpRegistry, answer: Answer): Promise<void> {
  expect(answer.status).toBe(201)
  expect(answer.headers).toMatchObject({ location: blob, 'docker-content-digest': digest })
  expect((await registry.send(`GET ${blob}`)).body).toEqual(bytes)
}

async function filesOf(registry: HttpRegistry): Promise<string[]> {
  const below = async (folder: string): Promise<string[]> => {
    const files: string[] = []
    for await (const { name, kind } of registry.driver.list(folder)) {
      const path = `${folder}/${name}`
      files.push(...(kind === 'file' ? [path] : await below(path)))
    }
    return files
  }
  return below('/docker')
}

test('an upload begins with 202 and says where it goes on', async () => {
  await using registry = await HttpRegistry.start()
  const { status, headers, body } = await registry.send(`POST ${uploads}`)
  expect([status, body.length]).toEqual([202, 0])
  expect(headers).toMatchObject({ range: '0-0', 'content-length': '0' })
  expect(headers.location).toBe(`${uploads}${headers['docker-upload-uuid']}`)
  expect(headers['docker-upload-uuid']).toMatch(/^[0-9a-f-]{36}$/)
})

test('an upload may begin without the slash at the end', async () => {
  await using registry = await HttpRegistry.start()
  expect((await registry.send('POST /v2/a/blobs/uploads')).status).toBe(202)
})

test('POST and PUT', async () => {
  await using registry = await HttpRegistry.start()
  await expectStored(registry, await finish(registry, await begin(registry), { body: bytes }))
})

test('POST and PUT of a stream without a length', async () => {
  await using registry = await HttpRegistry.start()
  const body = streamOf('01234567', '89abcdef')
  await expectStored(registry, await finish(registry, await begin(registry), { body }))
})

test('a single POST', async () => {
  await using registry = await HttpRegistry.start()
  await expectStored(registry, await registry.send(`POST ${uploads}?digest=${digest}`, { body: bytes }))
})

test('a single POST of other bytes is refused and leaves nothing', async () => {
  await using registry = await HttpRegistry.start()
  const answer = await registry.send(`POST ${uploads}?digest=${other}`, { body: bytes })
  expect(refusal(answer)).toBe('400 DIGEST_INVALID')
  expect(await filesOf(registry)).toEqual([])
})

test('a single POST whose client leaves midway leaves nothing', async () => {
  await using registry = await HttpRegistry.start()
  using connection = await registry.connect()
  connection.writeHead(
    `POST ${uploads}?digest=${digest} HTTP/1.1`,
    'Host: localhost',
    'Content-Length: 16',
    'Expect: 100-continue',
  )
  await connection.until(/100 Continue/)
  connection.write('0123')
  connection.socket.destroy()
  await registry.stop(10_000)
  expect(await filesOf(registry)).toEqual([])
})

test('a stream in one PATCH without a length, then a PUT without a body, as docker pushes', async () => {
  await using registry = await HttpRegistry.start()
  const location = await begin(registry)
  const patched = await patch(registry, location, { body: streamOf('01234567', '89abcdef') })
  expect(patched.status).toBe(202)
  expect(patched.headers).toMatchObject({ location, range: '0-15', 'content-length': '0' })
  await expectStored(registry, await finish(registry, location))
})

test.each([
  ['as the specification writes it', ['0-7', '8-15']],
  ['as RFC 9110 writes it', ['bytes 0-7/16', 'bytes 8-15/16']],
  ['as RFC 9110 writes it without a size', ['bytes 0-7/*', 'bytes 8-15/*']],
  ['with the unit only', ['bytes 0-7', 'bytes 8-15']],
])('chunks with a Content-Range %s', async (_name, ranges) => {
  await using registry = await HttpRegistry.start()
  const location = await begin(registry)
  for (const [index, range] of ranges.entries()) {
    const body = bytes.subarray(index * 8, index * 8 + 8)
    const answer = await patch(registry, location, { body, headers: { 'content-range': range } })
    expect([answer.status, answer.headers.range]).toEqual([202, `0-${index * 8 + 7}`])
  }
  await expectStored(registry, await finish(registry, location))
})

test('chunks without a Content-Range go to the end', async () => {
  await using registry = await HttpRegistry.start()
  const location = await beginWith(registry, '01234567')
  expect((await patch(registry, location, { body: '89abcdef' })).headers.range).toBe('0-15')
  await expectStored(registry, await finish(registry, location))
})

test('the last chunk may come with the PUT', async () => {
  await using registry = await HttpRegistry.start()
  const location = await beginWith(registry, '01234567')
  const headers = { 'content-range': '8-15' }
  await expectStored(registry, await finish(registry, location, { body: '89abcdef', headers }))
})

test.each([
  ['a gap', '9-16'],
  ['an overlap', '7-14'],
  ['a repetition', '0-7'],
])('a chunk out of order, %s, is refused with where the upload stands', async (_name, range) => {
  await using registry = await HttpRegistry.start()
  const location = await beginWith(registry, '01234567')
  const parts = { body: '89abcdef', headers: { 'content-range': range } }
  for (const answer of [await patch(registry, location, parts), await finish(registry, location, parts)]) {
    expect(refusal(answer)).toBe('416 RANGE_INVALID')
    expect(answer.headers).toMatchObject({ location, range: '0-7' })
  }
  await expectStored(registry, await finish(registry, location, { body: '89abcdef' }))
})

test('a first chunk that does not begin at 0 is refused', async () => {
  await using registry = await HttpRegistry.start()
  const location = await begin(registry)
  const answer = await patch(registry, location, { body: 'abc', headers: { 'content-range': '3-5' } })
  expect([refusal(answer), answer.headers.range]).toEqual(['416 RANGE_INVALID', '0-0'])
})

test.each(['abc', '5', '7-3', 'bytes=0-7', '0-7/4', '-7', `0-${'9'.repeat(30)}`])(
  'a Content-Range that means nothing is refused: %s',
  async (range) => {
    await using registry = await HttpRegistry.start()
    const location = await begin(registry)
    const answer = await patch(registry, location, { body: '01234567', headers: { 'content-range': range } })
    expect(refusal(answer)).toBe('416 RANGE_INVALID')
    await expectStored(registry, await finish(registry, location, { body: bytes }))
  },
)

test('a chunk that is out of place and of another size is told its place', async () => {
  await using registry = await HttpRegistry.start()
  const location = await beginWith(registry, '01234567')
  const answer = await patch(registry, location, { body: '0123', headers: { 'content-range': '0-7' } })
  expect([refusal(answer), answer.headers.range]).toEqual(['416 RANGE_INVALID', '0-7'])
})

test('a Content-Range and a Content-Length that disagree are refused before a byte is taken', async () => {
  await using registry = await HttpRegistry.start()
  const location = await begin(registry)
  const answer = await patch(registry, location, { body: '0123', headers: { 'content-range': '0-7' } })
  expect(refusal(answer)).toBe('400 SIZE_INVALID')
  await expectStored(registry, await finish(registry, location, { body: bytes }))
})

test('an empty PATCH changes nothing', async () => {
  await using registry = await HttpRegistry.start()
  const location = await begin(registry)
  expect((await patch(registry, location, {})).headers.range).toBe('0-0')
  await patch(registry, location, { body: '01234567' })
  const answer = await patch(registry, location, { body: streamOf() })
  expect([answer.status, answer.headers.range]).toEqual([202, '0-7'])
  await expectStored(registry, await finish(registry, location, { body: '89abcdef' }))
})

test('an unknown _state in the Location is ignored', async () => {
  await using registry = await HttpRegistry.start()
  const location = await begin(registry)
  expect((await patch(registry, `${location}?_state=forged%20state`, { body: bytes })).status).toBe(202)
  await expectStored(registry, await registry.send(`PUT ${location}?_state=x&digest=${digest}`))
})

test('the Location of the first answer is good to the end', async () => {
  await using registry = await HttpRegistry.start()
  const first = await begin(registry)
  for (const chunk of ['0123', '4567', '89abcdef']) {
    expect((await patch(registry, first, { body: chunk })).status).toBe(202)
  }
  await expectStored(registry, await finish(registry, first))
})

test.each(['GET', 'HEAD'])('%s says how far an upload is', async (method) => {
  await using registry = await HttpRegistry.start()
  const location = await beginWith(registry, '01234567')
  const { status, headers, body } = await registry.send(`${method} ${location}`)
  expect([status, body.length]).toEqual([204, 0])
  expect(headers).toMatchObject({ location, range: '0-7' })
  expect(location).toContain(headers['docker-upload-uuid'])
})

test('a cancelled upload is gone, with its bytes', async () => {
  await using registry = await HttpRegistry.start()
  const location = await beginWith(registry, '01234567')
  const answer = await registry.send(`DELETE ${location}`)
  expect([answer.status, answer.headers['docker-upload-uuid']]).toEqual([204, location.split('/').at(-1)])
  expect(await filesOf(registry)).toEqual([])
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    expect(refusal(await registry.send(`${method} ${location}`))).toBe('404 BLOB_UPLOAD_UNKNOWN')
  }
  expect(refusal(await finish(registry, location))).toBe('404 BLOB_UPLOAD_UNKNOWN')
})

test('an upload is known only in its repository', async () => {
  await using registry = await HttpRegistry.start()
  const location = (await beginWith(registry, '01234567')).replace('/v2/a/', '/v2/b/')
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    expect(refusal(await registry.send(`${method} ${location}`))).toBe('404 BLOB_UPLOAD_UNKNOWN')
  }
  expect(refusal(await finish(registry, location))).toBe('404 BLOB_UPLOAD_UNKNOWN')
})

test('bytes of another digest are refused, and the upload is gone', async () => {
  await using registry = await HttpRegistry.start()
  const location = await beginWith(registry, '01234567')
  const answer = await registry.send(`PUT ${location}?digest=${other}`, { body: '89abcdef' })
  expect(refusal(answer)).toBe('400 DIGEST_INVALID')
  expect(await filesOf(registry)).toEqual([])
  expect(refusal(await registry.send(`GET ${location}`))).toBe('404 BLOB_UPLOAD_UNKNOWN')
})

test.each(['', '?digest=', '?digest=sha256:12', '?digest=md5:d41d8cd98f00b204e9800998ecf8427e'])(
  'a PUT whose digest is none is refused, and the upload stays: %s',
  async (query) => {
    await using registry = await HttpRegistry.start()
    const location = await beginWith(registry, bytes.toString())
    expect(refusal(await registry.send(`PUT ${location}${query}`))).toBe('400 DIGEST_INVALID')
    await expectStored(registry, await finish(registry, location))
  },
)

test('a PUT that is repeated because its answer was lost succeeds again', async () => {
  await using registry = await HttpRegistry.start()
  const location = await beginWith(registry, bytes.toString())
  await expectStored(registry, await finish(registry, location))
  await expectStored(registry, await finish(registry, location))
  await expectStored(registry, await finish(registry, location, { body: bytes }))
})

test('two uploads of the same bytes both succeed', async () => {
  await using registry = await HttpRegistry.start()
  const locations = [await begin(registry), await begin(registry)]
  const answers = await Promise.all(locations.map((location) => finish(registry, location, { body: bytes })))
  for (const answer of answers) await expectStored(registry, answer)
})

test('while one request writes to an upload another is refused, and no bytes mix', async () => {
  await using registry = await HttpRegistry.start()
  const location = await begin(registry)
  using writing = await registry.connect()
  writing.writeHead(
    `PATCH ${location} HTTP/1.1`,
    'Host: localhost',
    'Content-Length: 16',
    'Expect: 100-continue',
  )
  await writing.until(/100 Continue/)
  writing.write('01234567')
  expect(refusal(await patch(registry, location, { body: 'XXXX' }))).toBe('416 RANGE_INVALID')
  expect((await finish(registry, location, { body: 'XXXX' })).status).toBe(416)
  writing.write('89abcdef')
  await writing.until(/202 Accepted[\s\S]*Range: 0-15/i)
  await expectStored(registry, await finish(registry, location))
})

test('a client that breaks off midway asks where it stands and goes on from there', async () => {
  await using registry = await HttpRegistry.start()
  const location = await begin(registry)
  using broken = await registry.connect()
  broken.writeHead(
    `PATCH ${location} HTTP/1.1`,
    'Host: localhost',
    'Transfer-Encoding: chunked',
    'Expect: 100-continue',
  )
  await broken.until(/100 Continue/)
  broken.write('8\r\n01234567\r\n')
  await until(registry, location, '0-7')
  broken.socket.destroy()
  const headers = { 'content-range': '8-15' }
  const rest = await onceReleased(() => patch(registry, location, { body: '89abcdef', headers }))
  expect([rest.status, rest.headers.range]).toEqual([202, '0-15'])
  await expectStored(registry, await finish(registry, location))
})

/** Asks until the registry has what was sent to it: the bytes of a request that runs are not acknowledged. */
async function until(registry: HttpRegistry, location: string, range: string): Promise<void> {
  await expect.poll(async () => (await registry.send(`GET ${location}`)).headers.range).toBe(range)
}

/** Tries again while the registry has not noticed yet that the request before is gone. */
async function onceReleased(request: () => Promise<Answer>): Promise<Answer> {
  let answer = await request()
  while (answer.status === 416 && errorMessage(answer).includes('another request')) answer = await request()
  return answer
}

function errorMessage({ body }: Answer): string {
  return (JSON.parse(body.toString()) as { errors: { message: string }[] }).errors[0]!.message
}

test('another server over the same storage goes on where the first one stopped', async () => {
  await using first = await HttpRegistry.start()
  const location = await beginWith(first, '01234567')
  await first.stop()
  await using second = await HttpRegistry.start({ driver: first.driver })
  expect((await second.send(`GET ${location}`)).headers.range).toBe('0-7')
  expect((await patch(second, location, { body: '89abcdef' })).headers.range).toBe('0-15')
  await expectStored(second, await finish(second, location))
})

test('a server that saw nothing of an upload finishes it', async () => {
  await using first = await HttpRegistry.start()
  const location = await beginWith(first, bytes.toString())
  await using second = await HttpRegistry.start({ driver: first.driver })
  await expectStored(second, await finish(second, location))
})

test.each([
  ['POST', (registry: HttpRegistry, name: string) => registry.send(`POST ${uploads}?digest=${name}`)],
  [
    'POST and PUT',
    async (registry: HttpRegistry, name: string) =>
      registry.send(`PUT ${await begin(registry)}?digest=${name}`),
  ],
])('a blob of no bytes: %s', async (_name, push) => {
  await using registry = await HttpRegistry.start()
  const empty = digestOf(new Uint8Array())
  expect((await push(registry, empty)).status).toBe(201)
  const answer = await registry.send(`GET /v2/a/blobs/${empty}`)
  expect([answer.status, answer.body.length]).toEqual([200, 0])
})

test('a blob of many chunks, of odd sizes', async () => {
  await using registry = await HttpRegistry.start()
  const random = seededRandom('odd chunks')
  const content = random.bytes(3_000_000)
  const location = await begin(registry)
  for (let at = 0; at < content.length; ) {
    const chunk = content.subarray(at, at + 1 + random.below(400_000))
    const headers = { 'content-range': `${at}-${at + chunk.length - 1}` }
    expect((await patch(registry, location, { body: chunk, headers })).status).toBe(202)
    at += chunk.length
  }
  const name = digestOf(content)
  expect((await registry.send(`PUT ${location}?digest=${name}`)).status).toBe(201)
  expect((await registry.send(`GET /v2/a/blobs/${name}`)).body.equals(content)).toBe(true)
})

test('an upload finished under its sha512, announced or not', async () => {
  await using registry = await HttpRegistry.start()
  const name = digestOf(bytes, 'sha512')
  for (const query of ['', '?digest-algorithm=sha512']) {
    const location = (await registry.send(`POST ${uploads}${query}`)).headers.location!
    expect((await patch(registry, location, { body: bytes })).status).toBe(202)
    const answer = await registry.send(`PUT ${location}?digest=${name}`)
    expect([answer.status, answer.headers.location]).toEqual([201, `/v2/a/blobs/${name}`])
  }
  expect(refusal(await registry.send(`POST ${uploads}?digest-algorithm=md5`))).toBe('400 DIGEST_INVALID')
})

test.each([
  ['that is named', '&from=b'],
  ['that is found', ''],
  ['that is found, the source being empty', '&from='],
])('a mount from a repository %s moves no bytes', async (_name, from) => {
  await using registry = await HttpRegistry.start()
  await registry.client.pushBlob('b', bytes)
  await expectStored(registry, await registry.send(`POST ${uploads}?mount=${digest}${from}`))
})

test.each([
  ['of a blob that the source does not have', `?mount=${digest}&from=empty`],
  ['of a blob that no repository has', `?mount=${other}`],
  ['of a blob that the named source has not, though another has', `?mount=${digest}&from=c`],
  ['of no digest', '?mount=&from=b'],
  ['of a digest by another algorithm', `?mount=sha384:${'a'.repeat(96)}&from=b`],
  ['of a malformed digest', '?mount=sha256:1&from=b'],
  ['from a name in upper case', `?mount=${digest}&from=Library/B`],
  ['from a name with a host and a port', `?mount=${digest}&from=registry.example.com:5000/b`],
  ['from what is no name', `?mount=${digest}&from=../b`],
])('a mount %s becomes an upload', async (_name, query) => {
  await using registry = await HttpRegistry.start()
  await registry.client.pushBlob('b', bytes)
  const answer = await registry.send(`POST ${uploads}${query}`)
  expect(answer.status).toBe(202)
  await expectStored(registry, await finish(registry, answer.headers.location!, { body: bytes }))
})

test('a mount that only looks in a repository does not make it', async () => {
  await using registry = await HttpRegistry.start()
  await registry.send(`POST ${uploads}?mount=${digest}&from=b`)
  expect(await registry.client.catalog()).toEqual([])
})

test('a client that asks for leave to send gets it, or the refusal instead', async () => {
  await using registry = await HttpRegistry.start()
  const location = await begin(registry)
  using connection = await registry.connect()
  const head = (path: string) => [
    `PATCH ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Length: 16',
    'Expect: 100-continue',
  ]
  connection.writeHead(...head(location))
  await connection.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  connection.write(bytes)
  await connection.until(/202 Accepted/)
  using refused = await registry.connect()
  refused.writeHead(...head(`${uploads}00000000-0000-4000-8000-000000000000`))
  await refused.closed
  expect(refused.received).toMatch(/^HTTP\/1\.1 404 [\s\S]*BLOB_UPLOAD_UNKNOWN/)
})

test('an upload of an id that is none is unknown', async () => {
  await using registry = await HttpRegistry.start()
  for (const id of ['x', '..', '%2e%2e', 'a'.repeat(5000)]) {
    expect((await registry.send(`GET ${uploads}${id}`)).status).toBe(404)
  }
})

test('a read-only registry takes nothing', async () => {
  await using registry = await HttpRegistry.start({ settings: { readOnly: true } })
  const answer = await registry.send(`POST ${uploads}`)
  expect([refusal(answer), answer.headers.allow]).toEqual(['405 UNSUPPORTED', ''])
})
