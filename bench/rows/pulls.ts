/** Pulls: the same content asked for again and again on connections that stay open. */
import { RegistryClient } from '../client.ts'
import { randomImage, randomLayer } from '../content.ts'
import { guessPasswords } from '../guesses.ts'
import { type LoadResult, runLoad } from '../load.ts'
import { basic, bearer } from '../login.ts'
import { cpuSeconds } from '../processes.ts'
import { LOGIN, type RegistryId, type Variant } from '../registries.ts'
import type { Server } from '../servers.ts'
import type { Figure, Row, Time } from './row.ts'

const repository = 'bench/pulls'

interface Pull {
  readonly id: string
  readonly title: string
  readonly method: 'GET' | 'HEAD'
  readonly connections: number
  readonly variant?: Variant
  readonly registries?: readonly RegistryId[]
  /** The header of that name, where the registry asks who one is. */
  readonly login?: (server: Server) => string | Promise<string>
  /** Begins what goes on beside it. */
  readonly beside?: (server: Server) => { stop(): void }
  /** Pushes what is pulled. */
  seed(client: RegistryClient): Promise<Seeded>
}
interface Seeded {
  readonly path: string
  readonly digest: string
  readonly accept: string
}

const kib = 1024
const mib = 1024 ** 2

/** Small answers are counted, with their latency and cost. */
const counted: Pull[] = [
  { id: 'head-blob', title: 'HEAD blob', method: 'HEAD', connections: 32, seed: blob(kib) },
  {
    id: 'manifest-by-digest',
    title: 'GET manifest by digest',
    method: 'GET',
    connections: 32,
    seed: manifestBy('digest'),
  },
  {
    id: 'manifest-by-tag',
    title: 'GET manifest by tag',
    method: 'GET',
    connections: 32,
    seed: manifestBy('tag'),
  },
  {
    id: 'head-blob-redis',
    title: 'HEAD blob, cache in Redis',
    method: 'HEAD',
    connections: 32,
    variant: { cache: 'redis' },
    seed: blob(kib),
  },
  {
    id: 'head-blob-quiet',
    title: 'HEAD blob, no log',
    method: 'HEAD',
    connections: 32,
    variant: { log: false },
    seed: blob(kib),
  },
  {
    id: 'head-blob-uncached',
    title: 'HEAD blob, no cache',
    method: 'HEAD',
    connections: 32,
    variant: { cache: 'none' },
    seed: blob(kib),
  },
  headAs('basic', { title: 'HEAD blob, with a password', variant: { access: {} } }),
  headAs('rules', {
    title: 'HEAD blob, with a password, 1,000 rules',
    variant: { access: { rules: 1000 } },
    registries: ['entrepot', 'bare'],
  }),
  headAs('bearer', {
    title: 'HEAD blob, with a token',
    variant: { access: { tokens: true } },
    registries: ['entrepot'],
    login: ({ port }) => bearer(port, repository),
  }),
  headAs('guessed', {
    title: 'HEAD blob, with a password, beside 100 wrong ones a second',
    variant: { access: {} },
    beside: ({ port }) => guessPasswords(port),
  }),
  { id: 'blob-1k', title: 'GET blob of 1 KiB', method: 'GET', connections: 32, seed: blob(kib) },
]

/** Large answers are weighed. */
const weighed: Pull[] = [
  { id: 'blob-1m', title: 'GET blob of 1 MiB', method: 'GET', connections: 8, seed: blob(mib) },
  { id: 'blob-12m', title: 'GET blob of 12 MiB', method: 'GET', connections: 8, seed: blob(12 * mib) },
  { id: 'blob-64m', title: 'GET blob of 64 MiB', method: 'GET', connections: 4, seed: blob(64 * mib) },
]

export const pullRows: Row[] = [
  ...counted.map((pull) => toRow(pull, countFigures)),
  ...weighed.map((pull) => toRow(pull, weighFigures)),
]

type ToFigures = (result: LoadResult, cpu: number) => Figure[]

function toRow(pull: Pull, toFigures: ToFigures): Row {
  return {
    id: pull.id,
    title: `${pull.title}, ${pull.connections} connections`,
    variant: pull.variant,
    registries: pull.registries,
    async measure(server, time) {
      const { result, cpu } = await measurePull(pull, server, time)
      return toFigures(result, cpu)
    },
  }
}

async function measurePull(
  pull: Pull,
  server: Server,
  time: Time,
): Promise<{ result: LoadResult; cpu: number }> {
  const { method, connections } = pull
  const authorization = await pull.login?.(server)
  const { path, accept } = await seedAndVerify(pull, { port: server.port, authorization })
  const beside = pull.beside?.(server)
  let cpuBefore = Number.NaN
  const onMeasure = async () => {
    cpuBefore = await cpuSeconds(server.pid)
  }
  const request = { port: server.port, method, path, accept, authorization, connections }
  try {
    const result = await runLoad(request, { ...time, onMeasure })
    return { result, cpu: (await cpuSeconds(server.pid)) - cpuBefore }
  } finally {
    beside?.stop()
  }
}

/** Checks the content: a fast answer must be right as well. */
async function seedAndVerify(
  pull: Pull,
  { port, authorization }: { port: number; authorization: string | undefined },
): Promise<Seeded> {
  const client = new RegistryClient(port, authorization)
  try {
    const seeded = await pull.seed(client)
    await client.verify(seeded.path, seeded)
    return seeded
  } finally {
    client.close()
  }
}

/** A HEAD of somebody who is known: by a password, unless said otherwise. */
function headAs(
  name: string,
  pull: Pick<Pull, 'title' | 'variant' | 'registries' | 'login' | 'beside'>,
): Pull {
  const standard = { method: 'HEAD', connections: 32, seed: blob(kib), login: () => basic(LOGIN) } as const
  return { id: `head-blob-${name}`, ...standard, ...pull }
}

function blob(size: number): Pull['seed'] {
  return async (client) => {
    const layer = randomLayer(size)
    await client.pushBlob(repository, layer)
    return { path: `/v2/${repository}/blobs/${layer.digest}`, digest: layer.digest, accept: '*/*' }
  }
}

function manifestBy(key: 'digest' | 'tag'): Pull['seed'] {
  return async (client) => {
    const image = randomImage()
    const { digest, mediaType: accept } = image.manifest
    await client.pushImage(repository, 'latest', image)
    return { path: `/v2/${repository}/manifests/${key === 'tag' ? 'latest' : digest}`, digest, accept }
  }
}

function countFigures({ responses, seconds, latency }: LoadResult, cpu: number): Figure[] {
  return [
    { label: 'rate', unit: 'requests/s', value: responses / seconds },
    { label: 'p50', unit: 'ms', value: latency.percentile(50) / 1e6 },
    { label: 'p99', unit: 'ms', value: latency.percentile(99) / 1e6 },
    { label: 'for 10,000 requests', unit: 'CPU s', value: (cpu / responses) * 10_000 },
  ]
}

function weighFigures({ bytes, seconds }: LoadResult, cpu: number): Figure[] {
  return [
    { label: 'rate', unit: 'GB/s', value: bytes / seconds / 1e9 },
    { label: 'for 1 GB', unit: 'CPU s', value: (cpu / bytes) * 1e9 },
  ]
}
