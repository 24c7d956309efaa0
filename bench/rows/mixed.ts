/** Pushes and pulls at the same time. */
import { RegistryClient } from '../client.ts'
import { randomLayer, streamedContents } from '../content.ts'
import { runLoad } from '../load.ts'
import { cpuSeconds } from '../processes.ts'
import type { Server } from '../servers.ts'
import type { Figure, Row, Time } from './row.ts'

const BYTES = 1024 ** 2
const PUSHERS = 5
const PULLERS = 5
/** More than a registry takes in the time of a round. */
const MAX_PUSHES = 20_000

export const mixedRows: Row[] = [
  {
    id: 'mixed-1m',
    title: `pushes (${PUSHERS} at once) and pulls (${PULLERS}) of blobs of 1 MiB`,
    measure: measureMixed,
  },
]

/** Each pusher has a repository of its own; the pullers ask for one blob again and again. */
async function measureMixed({ port, pid }: Server, time: Time): Promise<Figure[]> {
  const client = new RegistryClient(port)
  const contents = streamedContents(MAX_PUSHES, BYTES)
  let isOver = false
  let pushed = 0
  const pushUntilOver = async (_: unknown, pusher: number): Promise<void> => {
    while (!isOver) {
      await client.pushWhole(`bench/mixed-${pusher}`, contents.pop()!)
      pushed++
    }
  }
  try {
    const layer = randomLayer(BYTES)
    await client.pushBlob('bench/pulls', layer)
    const path = `/v2/bench/pulls/blobs/${layer.digest}`
    await client.verify(path, { digest: layer.digest, accept: '*/*' })
    let cpuBefore = Number.NaN
    const onMeasure = async () => {
      pushed = 0
      cpuBefore = await cpuSeconds(pid)
    }
    const request = { port, method: 'GET', path, accept: '*/*', connections: PULLERS } as const
    const pushes = Promise.all(Array.from({ length: PUSHERS }, pushUntilOver))
    const pulls = runLoad(request, { ...time, onMeasure }).finally(() => {
      isOver = true
    })
    const { responses, seconds } = await pulls
    const [pushRate, cpu] = [pushed / seconds, (await cpuSeconds(pid)) - cpuBefore]
    const transferred = pushed + responses
    await pushes
    return [
      { label: 'pushes', unit: 'pushes/s', value: pushRate },
      { label: 'pulls', unit: 'requests/s', value: responses / seconds },
      { label: 'for 1 GB', unit: 'CPU s', value: (cpu / (transferred * BYTES)) * 1e9 },
    ]
  } finally {
    client.close()
  }
}
