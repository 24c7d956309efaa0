/** What notifications cost, and how fast they are delivered. */
import { setTimeout as sleep } from 'node:timers/promises'
import { RegistryClient } from '../client.ts'
import { randomLayer } from '../content.ts'
import { cpuSeconds } from '../processes.ts'
import type { Server } from '../servers.ts'
import { pullRows } from './pulls.ts'
import { pushRows } from './pushes.ts'
import type { Figure, Row } from './row.ts'

const REGISTRIES = ['entrepot', 'baseline', 'distribution3', 'distribution2'] as const
const COMPARED = ['push-blobs', 'push-images', 'head-blob', 'blob-1k']
const EVENTS = 2_000
const REPOSITORIES = 16
const LONGEST_MS = 120_000

/** Each beside itself without a receiver. */
const compared = [...pushRows, ...pullRows]
  .filter(({ id }) => COMPARED.includes(id))
  .flatMap((row): Row[] => [
    { ...row, id: `quiet-${row.id}`, title: `${row.title}, nobody is told`, registries: REGISTRIES },
    {
      ...row,
      id: `told-${row.id}`,
      title: `${row.title}, a receiver is told`,
      registries: REGISTRIES,
      variant: { ...row.variant, notifications: true },
    },
  ])

export const notificationRows: Row[] = [
  ...compared,
  {
    id: 'deliver-events',
    title: `${EVENTS} events that waited, to a receiver that comes back`,
    registries: REGISTRIES,
    variant: { notifications: true },
    measure: measureDelivery,
  },
]

async function measureDelivery({ port, pid, receiver }: Server): Promise<Figure[]> {
  if (receiver === undefined) throw new Error('there is no receiver')
  const client = new RegistryClient(port)
  receiver.isOpen = false
  try {
    const push = async (_: unknown, repository: number) => {
      for (let count = 0; count < EVENTS / REPOSITORIES; count++)
        await client.pushBlob(`bench/events-${repository}`, randomLayer(64))
    }
    await Promise.all(Array.from({ length: REPOSITORIES }, push))
    receiver.isOpen = true
    while (receiver.received === 0) await sleep(1)
    const [startedAt, first, cpuBefore] = [performance.now(), receiver.received, await cpuSeconds(pid)]
    while (receiver.received < EVENTS && performance.now() - startedAt < LONGEST_MS) await sleep(1)
    const seconds = (performance.now() - startedAt) / 1000
    const [count, cpu] = [receiver.received - first, (await cpuSeconds(pid)) - cpuBefore]
    return [
      { label: 'rate', unit: 'events/s', value: count / seconds },
      { label: 'for 1,000 events', unit: 'CPU s', value: (cpu / count) * 1_000 },
    ]
  } finally {
    client.close()
  }
}
