/** A bad network between a mirror and its upstream, made by toxiproxy. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { describeWith } from '../../support/describe-with.ts'
import { freePort } from '../../support/free-port.ts'
import { refusal } from '../../support/http-registry.ts'
import { type MirrorUnderTest, startMirror } from '../../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../../support/scripted-upstream.ts'
import { ServerProcess } from '../../support/server-process.ts'
import { requireTool } from '../../support/tools.ts'

const blob = randomBytes(1_000_000)
const path = `/v2/a/blobs/${digestOf(blob)}`

describeWith(['toxiproxy-server'], 'a mirror', () => {
  let toxiproxy: ServerProcess
  let upstream: ScriptedUpstream
  let mirror: MirrorUnderTest

  beforeAll(async () => {
    const port = await freePort()
    toxiproxy = await ServerProcess.start({
      file: requireTool('toxiproxy-server'),
      arguments: ['-host', '127.0.0.1', '-port', `${port}`],
      readyUrl: (line) => (/Starting/.test(line) ? `http://127.0.0.1:${port}` : undefined),
    })
    while (!(await answers())) await setTimeout(20)
  })
  afterAll(() => toxiproxy?.kill())

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start()
    upstream.addBlob(blob)
    const proxy = { name: 'upstream', listen: '127.0.0.1:0', upstream: upstream.host, enabled: true }
    const { listen } = (await call('POST', '/proxies', proxy)) as { listen: string }
    const timing = { connectMs: 10_000, headMs: 5_000, bodyMs: 10_000 }
    mirror = await startMirror({ url: `http://${listen}`, client: { timing } })
  })
  afterEach(async () => {
    await mirror[Symbol.asyncDispose]()
    await call('DELETE', '/proxies/upstream')
    await upstream.stop()
  })

  const answers = () =>
    call('GET', '/version').then(
      () => true,
      () => false,
    )

  async function call(method: string, where: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${toxiproxy.url}${where}`, {
      method,
      ...(body && { body: JSON.stringify(body) }),
    })
    const said = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${where}: ${answer.status} ${said}`)
    return said.startsWith('{') ? JSON.parse(said) : said
  }

  const add = (type: string, attributes: object) =>
    call('POST', '/proxies/upstream/toxics', { name: type, type, stream: 'downstream', attributes })
  const remove = (type: string) => call('DELETE', `/proxies/upstream/toxics/${type}`)

  async function expectServed(): Promise<void> {
    const answer = await mirror.http.send(`GET ${path}`)
    expect([answer.status, answer.body.equals(blob)]).toEqual([200, true])
    await expect.poll(() => mirror.flights.count).toBe(0)
    expect(await mirror.http.registry.repository('a' as never).blobs.has(digestOf(blob))).toBe(true)
  }

  test('resumes when each connection is cut after some bytes', async () => {
    await add('limit_data', { bytes: 300_000 })
    await expectServed()
    const ranges = upstream.seen('GET', /blobs/).map(({ headers }) => headers.range)
    expect(ranges.length).toBeGreaterThanOrEqual(4)
    expect(new Set(ranges).size).toBe(ranges.length)
  })

  test('serves what arrives late and in small pieces', async () => {
    await add('latency', { latency: 300, jitter: 100 })
    await add('slicer', { average_size: 20_000, size_variation: 10_000, delay: 100 })
    await expectServed()
    expect(upstream.seen('GET', /blobs/)).toHaveLength(1)
  })

  test('sends the first bytes of a slow upstream at once', async () => {
    await add('bandwidth', { rate: 400 })
    const [answer] = (await once(get(`${mirror.http.url}${path}`), 'response')) as [IncomingMessage]
    const received: Buffer[] = []
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (received.length === 0) expect(mirror.flights.count).toBe(1)
      received.push(chunk)
    }
    expect(Buffer.concat(received).equals(blob)).toBe(true)
    expect(received.length).toBeGreaterThan(2)
  })

  test('says so when connections are reset, and recovers', async () => {
    await add('reset_peer', { timeout: 0 })
    expect(refusal(await mirror.http.send(`GET ${path}`))).toBe('502 UNAVAILABLE')
    await remove('reset_peer')
    const status = async () => (await mirror.http.send(`GET ${path}`)).status
    await expect.poll(status, { timeout: 20_000, interval: 500 }).toBe(200)
    await expectServed()
  })

  test('says so when the upstream says nothing', async () => {
    await add('latency', { latency: 30_000 })
    expect(refusal(await mirror.http.send(`GET ${path}`))).toBe('504 UNAVAILABLE')
  })
})
