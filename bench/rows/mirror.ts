/** Pulls through a mirror: of what it has not, of what it has, and while its upstream is gone. */
import { PullClient } from '../mirror/pull-client.ts'
import { cpuSeconds } from '../processes.ts'
import type { Server } from '../servers.ts'
import type { Figure, Row, Time } from './row.ts'

/** A line of 1 Gbit/s. */
const LINE_BYTES_PER_SECOND = 125_000_000

export const mirrorRows: Row[] = [
  {
    id: 'mirror-one',
    title: 'cold pull of 10 × 20 MiB by one client',
    variant: { mirror: {} },
    measure: measureOne,
  },
  {
    id: 'mirror-twenty',
    title: 'cold pull of 10 × 20 MiB by 20 clients at once',
    variant: { mirror: {} },
    measure: measureTwenty,
  },
  {
    id: 'mirror-line',
    title: 'cold pull of 10 × 20 MiB by 20 clients at once, the upstream behind 1 Gbit/s',
    variant: { mirror: { bytesPerSecond: LINE_BYTES_PER_SECOND } },
    measure: measureTwenty,
  },
]

async function measureOne(server: Server, { seconds }: Time): Promise<Figure[]> {
  const client = new PullClient(server.port)
  const cpuBefore = await cpuSeconds(server.pid)
  const cold = await timed(() => client.pull())
  const cpu = (await cpuSeconds(server.pid)) - cpuBefore
  const upstreamBytes = await server.upstream!.sentBytes()
  await untilStored(client)
  const warm = await timed(() => client.pull())
  const head = await timeOfHeads(client, seconds)
  await server.upstream!.stop()
  const stopped = await timed(() => client.head())
  const after = await timed(() => client.pull())
  client.close()
  return [
    { label: 'cold', unit: 'ms', value: cold },
    { label: 'its cost', unit: 'CPU s', value: cpu },
    { label: 'from the upstream', unit: 'MB', value: upstreamBytes / 1e6 },
    { label: 'warm pull', unit: 'ms', value: warm },
    { label: 'HEAD of the tag', unit: 'ms', value: head },
    { label: 'first HEAD once the upstream is gone', unit: 'ms', value: stopped },
    { label: 'warm pull while the upstream is gone', unit: 'ms', value: after },
  ]
}

async function measureTwenty(server: Server): Promise<Figure[]> {
  const clients = Array.from({ length: 20 }, () => new PullClient(server.port))
  const cpuBefore = await cpuSeconds(server.pid)
  const cold = await timed(() => Promise.all(clients.map((client) => client.pull())))
  const cpu = (await cpuSeconds(server.pid)) - cpuBefore
  const upstreamBytes = await server.upstream!.sentBytes()
  for (const client of clients) client.close()
  return [
    { label: 'cold', unit: 'ms', value: cold },
    { label: 'its cost', unit: 'CPU s', value: cpu },
    { label: 'from the upstream', unit: 'MB', value: upstreamBytes / 1e6 },
  ]
}

/** Some registries store what they have sent a little later. */
async function untilStored(client: PullClient): Promise<void> {
  await client.pull()
  await client.pull()
}

async function timeOfHeads(client: PullClient, seconds: number): Promise<number> {
  const startedAt = performance.now()
  let heads = 0
  for (; performance.now() - startedAt < seconds * 1000; heads++) await client.head()
  return (performance.now() - startedAt) / heads
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
