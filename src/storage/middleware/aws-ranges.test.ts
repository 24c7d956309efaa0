import { expect, test } from 'vitest'
import { type AnsweringServer, startAnswering } from '../../../test/support/answering-server.ts'
import { quiet } from '../../../test/support/http-registry.ts'
import { AwsRanges, type AwsRangesOptions } from './aws-ranges.ts'

/** In the form of https://docs.aws.amazon.com/vpc/latest/userguide/aws-ip-syntax.html. */
const list = {
  syncToken: '1732550000',
  createDate: '2026-11-25-12-00-00',
  prefixes: [
    { ip_prefix: '3.5.140.0/22', region: 'ap-northeast-2', service: 'AMAZON', network_border_group: 'a' },
    { ip_prefix: '3.5.140.0/22', region: 'ap-northeast-2', service: 'S3', network_border_group: 'a' },
    { ip_prefix: '13.34.37.64/27', region: 'US-EAST-1', service: 'AMAZON', network_border_group: 'b' },
    { ip_prefix: 'nonsense', region: 'us-east-1', service: 'AMAZON', network_border_group: 'b' },
    null,
  ],
  ipv6_prefixes: [
    { ipv6_prefix: '2600:1f14::/35', region: 'us-west-2', service: 'EC2', network_border_group: 'c' },
  ],
}

/** A server with a settable answer. */
async function startList(): Promise<AnsweringServer & { answer: { status: number; body: string } }> {
  const answer = { status: 200, body: JSON.stringify(list) }
  const server = await startAnswering((_request, response) => {
    response.writeHead(answer.status).end(answer.body)
  })
  return Object.assign(server, { answer })
}

function rangesOf(url: string, changes: Partial<AwsRangesOptions> = {}) {
  const warnings: string[] = []
  const log = {
    ...quiet,
    warn: (fields: { err?: unknown }, message: string) => warnings.push(`${message}: ${fields.err}`),
  }
  const ranges = new AwsRanges({ url, regions: [], updateMs: 60_000, log, ...changes })
  return { ranges, warnings }
}

const inSeoul = '3.5.141.1'
const inVirginia = '13.34.37.65'
const inOregon = '2600:1f14::1'
const elsewhere = ['3.5.144.0', '13.34.37.96', '2600:1f14:2000::1', '', 'nonsense']

test('an address is in Amazon where a prefix of either family has it', async () => {
  await using server = await startList()
  const { ranges } = rangesOf(server.url)
  expect(ranges.includes(inSeoul)).toBe(false)
  expect(await ranges.update()).toBe(true)
  expect([inSeoul, inVirginia, inOregon].filter((address) => !ranges.includes(address))).toEqual([])
  expect(elsewhere.filter((address) => ranges.includes(address))).toEqual([])
})

test('of some regions only, in whatever case they are written', async () => {
  await using server = await startList()
  const { ranges } = rangesOf(server.url, { regions: ['us-east-1', 'us-west-2'] })
  await ranges.update()
  expect([inSeoul, inVirginia, inOregon].map((address) => ranges.includes(address))).toEqual([
    false,
    true,
    true,
  ])
})

test.each([
  ['an error', 503, JSON.stringify(list)],
  ['no JSON', 200, '<html>'],
  ['something else', 200, '{"prefixes": {}}'],
  ['nothing', 200, 'null'],
  ['a list that is empty', 200, '{"prefixes": [], "ipv6_prefixes": []}'],
])('the last list counts where the answer is %s', async (_what, status, body) => {
  await using server = await startList()
  const { ranges, warnings } = rangesOf(server.url)
  await ranges.update()
  Object.assign(server.answer, { status, body })
  expect(await ranges.update()).toBe(false)
  expect(ranges.includes(inSeoul)).toBe(true)
  expect(warnings).toEqual([expect.stringMatching(/could not be fetched: the last one is used/)])
})

test('before there was a list nobody is in Amazon, and the log says what that means', async () => {
  const server = await startList()
  await server[Symbol.asyncDispose]()
  const { ranges, warnings } = rangesOf(server.url)
  expect(await ranges.update()).toBe(false)
  expect(ranges.includes(inSeoul)).toBe(false)
  expect(warnings).toEqual([expect.stringContaining('all clients are sent to CloudFront')])
})

test('a region that has no range is told of', async () => {
  await using server = await startList()
  const { ranges, warnings } = rangesOf(server.url, { regions: ['us-esat-1'] })
  expect(await ranges.update()).toBe(false)
  expect(warnings).toEqual([expect.stringContaining('it has no range of us-esat-1')])
})

test('the list is fetched again and again, after a failure too, until it is closed', async () => {
  const asked: Record<string, number> = {}
  await using server = await startAnswering(({ url = '' }, response) => {
    const count = (asked[url] ?? 0) + 1
    asked[url] = count
    if (count === 1) response.writeHead(500).end()
    else response.end(JSON.stringify(count === 2 ? { ...list, prefixes: [] } : list))
  })
  const { ranges, warnings } = rangesOf(`${server.url}/first`, { updateMs: 10 })
  ranges.start()
  await expect.poll(() => ranges.includes(inOregon)).toBe(true)
  await expect.poll(() => ranges.includes(inSeoul)).toBe(true)
  expect(warnings).toHaveLength(1)
  ranges.close()
  const before = asked['/first'] ?? 0
  const { ranges: others } = rangesOf(`${server.url}/second`, { updateMs: 10 })
  others.start()
  await expect.poll(() => asked['/second']).toBeGreaterThan(5)
  others.close()
  // One request may have been under way.
  expect(asked['/first']).toBeLessThanOrEqual(before + 1)
})

test('closing ends what is being fetched, which is no failure', async () => {
  const { promise: reached, resolve } = Promise.withResolvers<void>()
  await using server = await startAnswering(() => resolve())
  const { ranges, warnings } = rangesOf(server.url)
  const updating = ranges.update()
  await reached
  ranges.close()
  expect(await updating).toBe(false)
  expect(warnings).toEqual([])
})

test('a look-up among as many prefixes as Amazon has is quick', async () => {
  const prefixes = Array.from({ length: 6000 }, (_, n) => ({
    ip_prefix: `${3 + (n >> 8)}.${n & 255}.${(n * 7) & 255}.0/24`,
    region: 'us-east-1',
  }))
  const ipv6_prefixes = Array.from({ length: 2000 }, (_, n) => ({
    ipv6_prefix: `2600:${n.toString(16)}::/40`,
    region: 'us-east-1',
  }))
  await using server = await startAnswering((_request, response) =>
    response.end(JSON.stringify({ prefixes, ipv6_prefixes })),
  )
  const { ranges } = rangesOf(server.url)
  await ranges.update()
  const startedAt = performance.now()
  for (let n = 0; n < 1000; n++) expect(ranges.includes(`203.0.${n >> 8}.${n & 255}`)).toBe(false)
  expect((performance.now() - startedAt) / 1000).toBeLessThan(1)
})
