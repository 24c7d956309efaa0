/** Pushes: content that the registry has never seen. */
import { RegistryClient } from '../client.ts'
import { randomImage, randomLayer, streamedContents } from '../content.ts'
import type { Server } from '../servers.ts'
import type { Figure, Row, Time } from './row.ts'

const streamBytes = 512 * 1024 ** 2
const warmUpStreamBytes = 32 * 1024 ** 2
const pushers = 8

export const pushRows: Row[] = [
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
    await Promise.all(Array.from({ length: pushers }, pushUntilEnd))
    return [{ label: 'rate', unit: 'pushes/s', value: pushed / time.seconds }]
  } finally {
    client.close()
  }
}
