/** Pushes: content that the registry has never seen. */
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { RegistryClient } from '../client.ts'
import { randomImage, randomLayer, type StreamedContent, streamedContents } from '../content.ts'
import { cpuSeconds, peakResidentBytes } from '../processes.ts'
import type { Server } from '../servers.ts'
import type { Figure, Row, Time } from './row.ts'

const streamBytes = 512 * 1024 ** 2
const warmUpStreamBytes = 32 * 1024 ** 2
const pushers = 8
const mib = 1024 ** 2

/** Number of pushes in a round, by their size in MiB: whole, and in chunks as docker sends them. */
const LARGE_PUSHES = { 1: 800, 12: 200, 100: 24 }
const largePushers = 10

const largeRows: Row[] = Object.entries(LARGE_PUSHES).flatMap(([size, count]) =>
  (['whole', 'chunked'] as const).map((form) => ({
    id: `push-${size}m-${form}`,
    title: `push blobs of ${size} MiB ${form === 'whole' ? 'whole' : 'in chunks'}, ${largePushers} at once`,
    measure: (server) => measureLargePushes(server, { form, size: Number(size) * mib, count }),
  })),
)

export const pushRows: Row[] = [
  ...largeRows,
  { id: 'stream-512m', title: 'one streamed upload of 512 MiB', measure: measureStream },
  {
    id: 'push-blobs',
    title: `push blobs of 1 KiB, ${pushers} at once`,
    measure: (server, time) =>
      measurePushes(server, time, (client, name) => client.pushBlob(name.repository, randomLayer(1024))),
  },
  {
    id: 'push-images',
    title: `push images of 4 small blobs, ${pushers} at once`,
    measure: (server, time) =>
      measurePushes(server, time, (client, name) =>
        client.pushImage(name.repository, name.tag, randomImage()),
      ),
  },
]

async function measureLargePushes(
  server: Server,
  { form, size, count }: { form: 'whole' | 'chunked'; size: number; count: number },
): Promise<Figure[]> {
  const client = new RegistryClient(server.port)
  const push = (content: StreamedContent, pusher: number) =>
    form === 'whole'
      ? client.pushWhole(`bench/pushes-${pusher}`, content)
      : client.pushStream(`bench/pushes-${pusher}`, content)
  const latency = createHistogram()
  const pushAll = async (contents: StreamedContent[], pusher: number) => {
    for (let content = contents.pop(); content !== undefined; content = contents.pop()) {
      const begin = performance.now()
      await push(content, pusher)
      latency.record(Math.max(1, Math.round((performance.now() - begin) * 1e3)))
    }
  }
  const atOnce = async (contents: StreamedContent[]) => {
    await Promise.all(Array.from({ length: largePushers }, (_, pusher) => pushAll(contents, pusher)))
  }
  try {
    await atOnce(streamedContents(20 * largePushers, mib))
    const contents = streamedContents(count, size)
    latency.reset()
    const [startedAt, cpuBefore] = [performance.now(), await cpuSeconds(server.pid)]
    await atOnce(contents)
    const seconds = (performance.now() - startedAt) / 1000
    const cpu = (await cpuSeconds(server.pid)) - cpuBefore
    return [
      { label: 'rate', unit: 'pushes/s', value: count / seconds },
      { label: 'p99', unit: 'ms', value: latency.percentile(99) / 1e3 },
      { label: 'for 1 GB', unit: 'CPU s', value: (cpu / (count * size)) * 1e9 },
      { label: 'peak RSS', unit: 'MB', value: (await peakResidentBytes(server.pid)) / 1e6 },
    ]
  } finally {
    client.close()
  }
}

async function measureStream(server: Server): Promise<Figure[]> {
  const client = new RegistryClient(server.port)
  const [warmUp] = streamedContents(1, warmUpStreamBytes)
  const [content] = streamedContents(1, streamBytes)
  try {
    await client.pushStream('bench/stream', warmUp!)
    const startedAt = performance.now()
    await client.pushStream('bench/stream', content!)
    return [{ label: 'rate', unit: 'GB/s', value: streamBytes / 1e6 / (performance.now() - startedAt) }]
  } finally {
    client.close()
  }
}

type Push = (client: RegistryClient, name: { repository: string; tag: string }) => Promise<void>

/** Pushes again and again, each pusher to a repository of its own, and counts what ends in the measured time. */
async function measurePushes(server: Server, time: Time, push: Push): Promise<Figure[]> {
  const client = new RegistryClient(server.port)
  const begin = performance.now() + time.warmUpSeconds * 1000
  const end = begin + time.seconds * 1000
  let pushed = 0
  const pushUntilEnd = async (_: unknown, pusher: number): Promise<void> => {
    for (let count = 0; ; count++) {
      await push(client, { repository: `bench/pushes-${pusher}`, tag: `v${count}` })
      if (performance.now() >= end) return
      if (performance.now() >= begin) pushed++
    }
  }
  try {
    const pushing = Promise.all(Array.from({ length: pushers }, pushUntilEnd))
    const cpu = sleep(time.warmUpSeconds * 1000).then(() => cpuSeconds(server.pid))
    await pushing
    const seconds = (await cpuSeconds(server.pid)) - (await cpu)
    return [
      { label: 'rate', unit: 'pushes/s', value: pushed / time.seconds },
      { label: 'for 1,000 pushes', unit: 'CPU s', value: (seconds / pushed) * 1_000 },
    ]
  } finally {
    client.close()
  }
}
