/** Lists: pages of the catalog and of tags, of storage that holds many. */
import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds } from '../processes.ts'
import { TAGGED } from '../seed.ts'
import type { Server } from '../servers.ts'
import { median } from '../table.ts'
import type { Figure, Row } from './row.ts'

/** Number of requests for a page. */
const REPEATS = 40
/** Requests for it before. */
const WARM_UP = 20
const POLL_MS = 50
const AFTERWARDS_MS = 1_000

const repositories = 20_000

export const listRows: Row[] = [
  walkRow('catalog-walk', repositories),
  catalogPageRow('catalog-page', repositories),
  tagsPageRow('tags-page', 50_000),
]

/** The same of more than can be written in a moment. */
export const longListRows: Row[] = [
  walkRow('catalog-walk-100k', 100_000),
  catalogPageRow('catalog-page-100k', 100_000),
  tagsPageRow('tags-page-500k', 500_000),
]

function walkRow(id: string, count: number): Row {
  return {
    id,
    title: `walk all of ${count.toLocaleString('en')} repositories in pages of 1,000, cold`,
    variant: { seed: { repositories: count } },
    measure: (server) => measureWalk(server, count),
  }
}

function catalogPageRow(id: string, count: number): Row {
  return {
    id,
    title: `a page of 1,000 of ${count.toLocaleString('en')} repositories, warm`,
    variant: { seed: { repositories: count } },
    measure: (server) => measurePage(server, { path: '/v2/_catalog?n=1000&last=team-5', count: 1000 }),
  }
}

function tagsPageRow(id: string, count: number): Row {
  return {
    id,
    title: `a page of 100 of ${count.toLocaleString('en')} tags, warm`,
    variant: { seed: { tags: count } },
    measure: (server) =>
      measurePage(server, { path: `/v2/${TAGGED}/tags/list?n=100&last=v020000`, count: 100 }),
  }
}

interface Names {
  readonly repositories?: string[]
  readonly tags?: string[]
}

interface PageOfNames {
  readonly names: string[]
  /** The next page. */
  readonly next: string | undefined
  /** From the request to the end of the answer. */
  readonly milliseconds: number
}

interface TextAnswer {
  readonly text: string
  readonly link: string | undefined
  readonly milliseconds: number
}

/** One connection, and a client that costs little beside the servers: `fetch` took a millisecond for a page. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

function textAt(server: Server, path: string): Promise<TextAnswer> {
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port: server.port, path, agent }, (response) => {
      const chunks: Buffer[] = []
      response.on('error', reject)
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const milliseconds = performance.now() - startedAt
        if (response.statusCode !== 200) reject(new Error(`GET ${path} answered ${response.statusCode}`))
        const { link } = response.headers
        resolve({ text: Buffer.concat(chunks).toString(), link: link?.toString(), milliseconds })
      })
    }).on('error', reject)
  })
}

async function namesAt(server: Server, path: string): Promise<PageOfNames> {
  const { text, link, milliseconds } = await textAt(server, path)
  const found = JSON.parse(text) as Names
  return { names: found.repositories ?? found.tags ?? [], next: nextPath(link, server), milliseconds }
}

/** Some registries link to a whole URL. */
function nextPath(link: string | undefined, { port }: Server): string | undefined {
  const target = /<([^>]+)>/.exec(link ?? '')?.[1]
  if (target === undefined) return undefined
  const { pathname, search } = new URL(target, `http://127.0.0.1:${port}`)
  return pathname + search
}

async function measureWalk(server: Server, expected: number): Promise<Figure[]> {
  const cpuBefore = await cpuSeconds(server.pid)
  const startedAt = performance.now()
  let count = 0
  for (let path: string | undefined = '/v2/_catalog?n=1000'; path !== undefined; ) {
    const { names, next } = await namesAt(server, path)
    count += names.length
    path = next
  }
  const milliseconds = performance.now() - startedAt
  if (count !== expected) throw new Error(`${count} repositories were listed`)
  return [
    { label: 'time', unit: 'ms', value: milliseconds },
    { label: 'for it', unit: 'CPU s', value: (await cpuSeconds(server.pid)) - cpuBefore },
  ]
}

interface Page {
  readonly path: string
  readonly count: number
}

/** Twice: when the server has just started, and, where it fills an index then, once that is filled. */
async function measurePage(server: Server, page: Page): Promise<Figure[]> {
  await namesAt(server, page.path)
  const first = await timesOf(server, page)
  await indexIsFilled(server)
  for (let repeat = 0; repeat < WARM_UP; repeat++) await namesAt(server, page.path)
  const cpuBefore = await cpuSeconds(server.pid)
  const warm = await timesOf(server, page)
  const cpu = (await cpuSeconds(server.pid)) - cpuBefore
  return [
    { label: 'median time', unit: 'ms', value: median(warm) },
    { label: 'slowest', unit: 'ms', value: warm.at(-1) ?? Number.NaN },
    { label: 'for a page', unit: 'CPU s', value: cpu / REPEATS },
    { label: 'just started, indexes being filled', unit: 'ms', value: median(first) },
    { label: 'just started, slowest', unit: 'ms', value: first.at(-1) ?? Number.NaN },
  ]
}

/** The times of some requests, the shortest first. */
async function timesOf(server: Server, { path, count }: Page): Promise<number[]> {
  const times: number[] = []
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const { names, milliseconds } = await namesAt(server, path)
    times.push(milliseconds)
    if (names.length !== count) throw new Error(`${names.length} names were listed`)
  }
  return times.sort((one, other) => one - other)
}

async function indexIsFilled(server: Server): Promise<void> {
  if (!['entrepot', 'baseline'].includes(server.registry.id)) return
  for (;;) {
    const { text } = await textAt(server, '/v2/_entrepot/catalog/repositories?n=1')
    if ((JSON.parse(text) as { index: { complete: boolean } }).index.complete) break
    await Promise.race([sleep(POLL_MS), server.ended])
  }
  await sleep(AFTERWARDS_MS) // it is cleared up
}
