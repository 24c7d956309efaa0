/** Lists: pages of the catalog and of tags, of storage that holds many. */
import { cpuSeconds } from '../processes.ts'
import { TAGGED } from '../seed.ts'
import type { Server } from '../servers.ts'
import { median } from '../table.ts'
import type { Figure, Row } from './row.ts'

/** Number of requests for a page while it is cached. */
const REPEATS = 15

const repositories = 20_000
const tags = 50_000

export const listRows: Row[] = [
  {
    id: 'catalog-walk',
    title: `walk all of ${repositories.toLocaleString('en')} repositories in pages of 1,000, cold`,
    variant: { seed: { repositories } },
    measure: (server) => measureWalk(server),
  },
  {
    id: 'catalog-page',
    title: `a page of 1,000 of ${repositories.toLocaleString('en')} repositories, warm`,
    variant: { seed: { repositories } },
    measure: (server) => measurePage(server, { path: '/v2/_catalog?n=1000&last=team-5', count: 1000 }),
  },
  {
    id: 'tags-page',
    title: `a page of 100 of ${tags.toLocaleString('en')} tags, warm`,
    variant: { seed: { tags } },
    measure: (server) =>
      measurePage(server, { path: `/v2/${TAGGED}/tags/list?n=100&last=v020000`, count: 100 }),
  },
]

interface Names {
  readonly repositories?: string[]
  readonly tags?: string[]
}

async function namesAt(server: Server, path: string): Promise<{ names: string[]; next: string | undefined }> {
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`)
  if (!answer.ok) throw new Error(`GET ${path} answered ${answer.status}`)
  const found = (await answer.json()) as Names
  const next = /<([^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1]
  return { names: found.repositories ?? found.tags ?? [], next }
}

async function measureWalk(server: Server): Promise<Figure[]> {
  const cpuBefore = await cpuSeconds(server.pid)
  const startedAt = performance.now()
  let count = 0
  for (let path: string | undefined = '/v2/_catalog?n=1000'; path !== undefined; ) {
    const { names, next } = await namesAt(server, path)
    count += names.length
    path = next
  }
  const milliseconds = performance.now() - startedAt
  if (count !== repositories) throw new Error(`${count} repositories were listed`)
  return [
    { label: 'time', unit: 'ms', value: milliseconds },
    { label: 'for it', unit: 'CPU s', value: (await cpuSeconds(server.pid)) - cpuBefore },
  ]
}

async function measurePage(
  server: Server,
  { path, count }: { path: string; count: number },
): Promise<Figure[]> {
  for (let repeat = 0; repeat < 3; repeat++) await namesAt(server, path)
  const times: number[] = []
  const cpuBefore = await cpuSeconds(server.pid)
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const startedAt = performance.now()
    const { names } = await namesAt(server, path)
    times.push(performance.now() - startedAt)
    if (names.length !== count) throw new Error(`${names.length} names were listed`)
  }
  const cpu = (await cpuSeconds(server.pid)) - cpuBefore
  return [
    { label: 'median time', unit: 'ms', value: median(times.sort((one, other) => one - other)) },
    { label: 'for a page', unit: 'CPU s', value: cpu / REPEATS },
  ]
}
