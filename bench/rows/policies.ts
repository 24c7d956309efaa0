/** What policies cost: the same work with all of them and with none. */
import { setTimeout as sleep } from 'node:timers/promises'
import { RegistryClient } from '../client.ts'
import { randomImage } from '../content.ts'
import type { Server } from '../servers.ts'
import { pullRows } from './pulls.ts'
import { pushRows } from './pushes.ts'
import type { Row } from './row.ts'

const REGISTRIES = ['entrepot', 'baseline'] as const
const COMPARED = [
  'push-blobs',
  'push-images',
  'head-blob',
  'blob-1k',
  'manifest-by-tag',
  'manifest-by-digest',
]

export const policyRows: Row[] = [...pushRows, ...pullRows]
  .filter(({ id }) => COMPARED.includes(id))
  .flatMap((row): Row[] => [
    { ...begun(row), id: `free-${row.id}`, title: `${row.title}, no policies` },
    {
      ...begun(row),
      id: `governed-${row.id}`,
      title: `${row.title}, all policies`,
      variant: { ...row.variant, policies: true },
    },
  ])

/** Both servers have served the same before, because that affects how V8 compiles what follows. */
function begun(row: Row): Row {
  const measure: Row['measure'] = async (server, time) => {
    await firstCount(server)
    return row.measure(server, time)
  }
  return { ...row, registries: REGISTRIES, measure }
}

const REPOSITORY = 'bench/counted'
const LIMIT_MS = 30_000
const PAUSE_MS = 100
const NOT_COUNTED = 404

/** Waits until storage was counted for the first time, which begins with the registry, and then is done once a day. Without policies nothing
 *  is counted. */
async function firstCount({ port }: Server): Promise<void> {
  const client = new RegistryClient(port)
  try {
    await client.pushImage(REPOSITORY, 'latest', randomImage())
  } finally {
    client.close()
  }
  const url = `http://127.0.0.1:${port}/v2/${REPOSITORY}/_entrepot/usage/summary`
  const deadline = performance.now() + LIMIT_MS
  while (performance.now() < deadline) {
    const answer = await fetch(url)
    const { countedAt } = (await answer.json()) as { countedAt: string | null }
    if (answer.status === NOT_COUNTED || countedAt !== null) return
    await sleep(PAUSE_MS)
  }
  throw new Error(`storage was not counted within ${LIMIT_MS} ms`)
}
