/** The index of the catalog: how fast it is filled from a folder, how fast it answers, and what it costs pushes. */
import { setTimeout as sleep } from 'node:timers/promises'
import { basic } from '../login.ts'
import { cpuSeconds, peakResidentBytes } from '../processes.ts'
import { LOGIN, OTHER_LOGIN } from '../registries.ts'
import { repositoryName, type SeededCatalog } from '../seed-catalog.ts'
import type { Server } from '../servers.ts'
import { median } from '../table.ts'
import { pushRows } from './pushes.ts'
import type { Figure, Row } from './row.ts'

const REGISTRIES = ['entrepot', 'baseline'] as const
const CATALOGS: Readonly<Record<string, SeededCatalog>> = {
  'index-100k': { repositories: 1_000, tags: 100, images: 20_000 },
  'index-1m': { repositories: 10_000, tags: 100, images: 20_000 },
}
/** Rules of others beside those of the two people who ask. */
const RULES = 200
const REPEATS = 40
const POLL_MS = 100
const ROOT = '/v2/_entrepot/catalog'

const catalogRows = Object.entries(CATALOGS).map(([id, catalog]): Row => {
  const [repositories, tags] = [catalog.repositories, catalog.repositories * catalog.tags]
  return {
    id,
    title: `fill the index: ${tags.toLocaleString('en')} tags of ${repositories.toLocaleString('en')} repositories`,
    registries: REGISTRIES,
    variant: { seed: { catalog }, index: true, access: { rules: RULES, others: true } },
    measure: async (server) => [...(await measureFill(server, tags)), ...(await measureAnswers(server))],
  }
})

/** In pairs: one with the index, and one without. */
const pushed = pushRows
  .filter(({ id }) => id === 'push-images')
  .flatMap((row): Row[] =>
    [true, false].map((index) => ({
      ...row,
      id: `${index ? 'indexed' : 'unindexed'}-${row.id}`,
      title: `${row.title}, ${index ? 'with an index' : 'without an index'}`,
      registries: REGISTRIES,
      variant: { index },
      measure: async (server, time) => {
        const cpuBefore = await cpuSeconds(server.pid)
        const [rate] = await row.measure(server, time)
        if (rate === undefined) throw new Error('there is no rate')
        const seconds = (await cpuSeconds(server.pid)) - cpuBefore
        const pushes = rate.value * (time.seconds + time.warmUpSeconds)
        return [rate, { label: 'for 1,000', unit: 'CPU s', value: (1_000 * seconds) / pushes }]
      },
    })),
  )

export const indexRows: Row[] = [...catalogRows, ...pushed]

interface Answer {
  readonly repositories?: readonly unknown[]
  readonly tags?: readonly unknown[]
  readonly next: string | null
  readonly index: { readonly complete: boolean }
}

async function ask(server: Server, path: string, login = LOGIN): Promise<Answer> {
  const headers = { authorization: basic(login) }
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers })
  if (!answer.ok) throw new Error(`GET ${path} answered ${answer.status}`)
  return (await answer.json()) as Answer
}

/** From the first answer of the server until its index is complete. */
async function measureFill(server: Server, tags: number): Promise<Figure[]> {
  const [startedAt, cpuBefore] = [performance.now(), await cpuSeconds(server.pid)]
  while (!(await ask(server, `${ROOT}/repositories?n=1`)).index.complete) {
    await Promise.race([sleep(POLL_MS), server.ended])
  }
  const seconds = (performance.now() - startedAt) / 1000
  const cpu = (await cpuSeconds(server.pid)) - cpuBefore
  return [
    { label: 'rate', unit: 'tags/s', value: tags / seconds },
    { label: 'for 10,000 tags', unit: 'CPU s', value: (10_000 * cpu) / tags },
    { label: 'peak RSS', unit: 'MB', value: (await peakResidentBytes(server.pid)) / 1e6 },
  ]
}

/** Each page that the web page asks for; tags of a repository with their comparison with storage. */
const PAGES: Readonly<Record<string, (index: number) => string>> = {
  'repositories by name': () => `${ROOT}/repositories`,
  'repositories by push': () => `${ROOT}/repositories?sort=-pushed`,
  'repositories by size': () => `${ROOT}/repositories?sort=-size`,
  'repositories that match': (index) => `${ROOT}/repositories?q=app-${index}`,
  namespaces: () => `${ROOT}/namespaces`,
  'newest tags': () => `${ROOT}/tags`,
  'tags that match a few': (index) => `${ROOT}/tags?q=app-${index}:v10`,
  'tags that match many': (index) => `${ROOT}/tags?q=v10${index % 10}`,
  'tags that match nothing': () => `${ROOT}/tags?q=nothing`,
  'tags of a repository': (index) => `/v2/${repositoryName(index)}/_entrepot/tags/list?sort=-pushed`,
}

async function measureAnswers(server: Server): Promise<Figure[]> {
  const figures: Figure[] = []
  const everyTime: number[] = []
  for (const [label, pathOf] of Object.entries(PAGES)) {
    for (const [who, login] of Object.entries({ '': LOGIN, ', few visible': OTHER_LOGIN })) {
      // The other person sees one namespace.
      const of = (repeat: number) => pathOf(login === LOGIN ? repeat * 7 : repeat * 200)
      for (let repeat = 0; repeat < 3; repeat++) await ask(server, of(repeat), login)
      const times: number[] = []
      for (let repeat = 0; repeat < REPEATS; repeat++) {
        const startedAt = performance.now()
        await ask(server, of(repeat % 5), login)
        times.push(performance.now() - startedAt)
      }
      everyTime.push(...times)
      figures.push({ label: `p95: ${label}${who}`, unit: 'ms', value: percentile(times, 0.95) })
    }
  }
  const sorted = everyTime.sort((one, other) => one - other)
  return [
    ...figures,
    { label: 'p95: all of them', unit: 'ms', value: percentile(sorted, 0.95) },
    { label: 'median: all of them', unit: 'ms', value: median(sorted) },
  ]
}

function percentile(times: readonly number[], part: number): number {
  const sorted = [...times].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
}
