import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { describeWith } from './describe-with.ts'
import { atRate, type ChooseFault, type Fault, FaultyProxy, firstOf } from './faulty-proxy.ts'
import { s3Operation } from './s3-operation.ts'
import { S3Server, s3Tools } from './s3-server.ts'
import { azureAnswers, gcsAnswers, s3Answers } from './store-answers.ts'

describe('FaultyProxy', () => {
  /** Takes what it is sent, and answers with it. */
  const bodies: string[] = []
  const hosts: (string | undefined)[] = []
  const upstream = createServer(async (incoming, answer) => {
    const body = await text(incoming)
    bodies.push(body)
    hosts.push(incoming.headers.host)
    answer.writeHead(201, { 'content-length': body.length, 'x-from': 'upstream' }).end(body)
  })
  const start = (fault?: ChooseFault) =>
    FaultyProxy.start(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, fault)
  const always = (fault: Fault) => start(() => fault)

  beforeAll(async () => {
    await once(upstream.listen(0, '127.0.0.1'), 'listening')
  })
  afterAll(() => upstream.close())

  test('passes on what it is not to break, and remembers what was asked', async () => {
    await using proxy = await start()

    const answer = await fetch(`${proxy.endpoint}/bucket/a%2Fb?x=1&y`, { method: 'PUT', body: 'hello' })

    expect([answer.status, answer.headers.get('x-from'), await answer.text()]).toEqual([
      201,
      'upstream',
      'hello',
    ])
    expect(proxy.requests).toMatchObject([{ method: 'PUT', path: '/bucket/a%2Fb', status: 201 }])
    expect([...proxy.requests[0]!.query]).toEqual([
      ['x', '1'],
      ['y', ''],
    ])
    expect(hosts.at(-1)).toBe(new URL(proxy.endpoint).host)
    proxy.forget()
    expect(proxy.requests).toEqual([])
  })

  test('a client that waits to be told to go on is told', async () => {
    await using proxy = await start()
    const outgoing = request(proxy.endpoint, { method: 'PUT', headers: { expect: '100-continue' } })
    outgoing.flushHeaders()
    await once(outgoing, 'continue')
    outgoing.end('the body')
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    expect(await text(incoming)).toBe('the body')
  })

  test.each([
    ['S3', s3Answers.internalError(), 500, '<Code>InternalError</Code>'],
    ['S3', s3Answers.busy(), 503, '<Code>SlowDown</Code>'],
    ['S3', s3Answers.expired(), 400, '<Code>ExpiredToken</Code>'],
    ['Azure', azureAnswers.internalError(), 500, '<Code>InternalError</Code>'],
    ['Azure', azureAnswers.busy(), 503, '<Code>ServerBusy</Code>'],
    ['Azure', azureAnswers.expired(), 401, '<Code>InvalidAuthenticationInfo</Code>'],
    ['GCS', gcsAnswers.internalError(), 500, '"reason":"backendError"'],
    ['GCS', gcsAnswers.busy(), 429, '"reason":"rateLimitExceeded"'],
    ['GCS', gcsAnswers.expired(), 401, '"reason":"authError"'],
  ])('answers itself as %s does: %#', async (_store, fault, status, code) => {
    await using proxy = await always(fault)
    const before = bodies.length

    const answer = await fetch(proxy.endpoint, { method: 'PUT', body: 'never seen' })

    expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(code)])
    expect(bodies).toHaveLength(before)
    expect(proxy.requests.map(({ fault, status }) => [fault, status])).toEqual([['answer', undefined]])
  })

  test("an answer to a client whose clock is wrong tells the store's time", async () => {
    const now = new Date('2026-01-02T03:04:05Z')
    await using proxy = await always(s3Answers.skewed(now))
    const answer = await fetch(proxy.endpoint)
    expect([answer.status, answer.headers.get('date')]).toEqual([403, now.toUTCString()])
    expect(await answer.text()).toContain('<Code>RequestTimeTooSkewed</Code>')
  })

  test('resets the connection before the server behind hears of it', async () => {
    await using proxy = await always({ kind: 'reset' })
    const before = bodies.length
    await expect(fetch(proxy.endpoint, { method: 'PUT', body: 'lost' })).rejects.toMatchObject({
      cause: { code: 'ECONNRESET' },
    })
    expect(bodies).toHaveLength(before)
  })

  test('resets the connection after the server behind has answered', async () => {
    await using proxy = await always({ kind: 'lose-answer' })
    await expect(fetch(proxy.endpoint, { method: 'PUT', body: 'done' })).rejects.toMatchObject({
      cause: { code: 'ECONNRESET' },
    })
    expect(bodies.at(-1)).toBe('done')
    expect(proxy.requests).toMatchObject([{ fault: 'lose-answer', status: 201 }])
  })

  test('holds a request back until something else is done', async () => {
    const done = Promise.withResolvers<void>()
    await using proxy = await always({ kind: 'hold', until: done.promise })
    const before = bodies.length
    const answer = fetch(proxy.endpoint, { method: 'PUT', body: 'held' })
    await vi.waitFor(() => expect(proxy.requests).toHaveLength(1))
    expect(bodies).toHaveLength(before)
    done.resolve()
    expect(await (await answer).text()).toBe('held')
    expect(proxy.requests).toMatchObject([{ fault: 'hold', status: 201 }])
  })

  test('stalls until the client gives up', async () => {
    await using proxy = await always({ kind: 'stall' })
    const before = bodies.length
    const signal = AbortSignal.timeout(100)
    await expect(fetch(proxy.endpoint, { method: 'PUT', body: 'x', signal })).rejects.toThrow('timeout')
    expect(bodies).toHaveLength(before)
  })

  test("breaks off in the middle of an answer's body", async () => {
    await using proxy = await always({ kind: 'truncate', bytes: 70_000 })
    const outgoing = request(proxy.endpoint, { method: 'PUT' }).end('x'.repeat(200_000))
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    let received = 0
    const read = async () => {
      for await (const chunk of incoming) received += chunk.length
    }
    await expect(read()).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect([incoming.headers['content-length'], received]).toEqual(['200000', 70_000])
  })

  test('fails at a rate, for the same requests with the same seed', async () => {
    const outcomes = async (seed: string) => {
      await using proxy = await start(atRate(0.3, { seed, faults: [s3Answers.busy(), { kind: 'reset' }] }))
      for (let count = 0; count < 100; count++)
        await fetch(proxy.endpoint).then(
          (answer) => answer.arrayBuffer(),
          () => {},
        )
      return proxy.requests.map(({ fault }) => fault)
    }
    const first = await outcomes('one')
    expect(first.filter((fault) => fault !== undefined).length).toBeGreaterThan(15)
    expect(first.filter((fault) => fault !== undefined).length).toBeLessThan(45)
    expect(new Set(first)).toEqual(new Set([undefined, 'answer', 'reset']))
    expect(await outcomes('one')).toEqual(first)
    expect(await outcomes('another')).not.toEqual(first)
  })

  test('fails the first requests of a kind', async () => {
    const of = ({ method }: { method: string }) => method === 'PUT'
    await using proxy = await start(firstOf(2, { of, fault: s3Answers.busy() }))
    const statuses = []
    for (const method of ['PUT', 'GET', 'PUT', 'PUT'])
      statuses.push((await fetch(proxy.endpoint, { method })).status)
    expect(statuses).toEqual([503, 201, 503, 201])
  })
})

describeWith([s3Tools.versitygw], 'FaultyProxy before S3', () => {
  test('a signature holds, and the operations have their names', async () => {
    await using server = await S3Server.start('versitygw')
    await using proxy = await FaultyProxy.start(server.endpoint)
    const { accessKey: accessKeyId, secretKey: secretAccessKey, region, bucket: Bucket } = server
    const credentials = { accessKeyId, secretAccessKey }
    const client = new S3Client({ endpoint: proxy.endpoint, region, credentials, forcePathStyle: true })

    await client.send(new PutObjectCommand({ Bucket, Key: 'a/~b', Body: Buffer.alloc(3_000_000) }))
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'a/~b' }))

    expect((await Body?.transformToByteArray())?.length).toBe(3_000_000)
    expect(proxy.requests.map(s3Operation)).toEqual(['PutObject', 'GetObject'])
    client.destroy()
  })
})
