/** The process itself: how fast it starts, how much memory it holds. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RegistryClient } from '../client.ts'
import { streamedContents } from '../content.ts'
import { Load } from '../load.ts'
import { peakResidentBytes, residentBytes } from '../processes.ts'
import type { Server } from '../servers.ts'
import type { Figure, Row } from './row.ts'

const atOnce = 8
const transferBytes = 256 * 1024 ** 2

const CACHED = [10_000, 1_000_000]

export const processRows: Row[] = [
  {
    id: 'start-up',
    title: 'start-up, to the first 200',
    repeats: 5,
    measure: async (server) => [{ label: 'time', unit: 'ms', value: server.startUpMs }],
  },
  { id: 'memory-idle', title: 'memory (RSS), idle', measure: measureIdle },
  {
    id: 'memory-cache',
    title: `memory (RSS) of a process with ${CACHED[0]!.toLocaleString('en')} cached descriptors`,
    measure: measureCache,
  },
  {
    id: 'memory-load',
    title: `peak memory (RSS), ${atOnce} uploads and ${atOnce} downloads of 256 MiB at once`,
    measure: measureUnderLoad,
  },
  {
    id: 'memory-uploads',
    title: `peak memory (RSS), ${atOnce} uploads of 256 MiB at once`,
    measure: measureUploads,
  },
]

async function measureIdle(server: Server): Promise<Figure[]> {
  await sleep(1000)
  return [{ label: 'RSS', unit: 'MB', value: (await residentBytes(server.pid)) / 1e6 }]
}

/** A process that has nothing but the cache in memory: that many blobs cannot be pushed in a bench. */
async function measureCache({ registry }: Server): Promise<Figure[]> {
  if (registry.id !== 'entrepot') return [{ label: 'RSS', unit: 'MB', value: Number.NaN }]
  const [empty, few, many] = [0, ...CACHED].map(residentWith) as [number, number, number]
  return [
    { label: 'RSS', unit: 'MB', value: few / 1e6 },
    { label: 'RSS with 1,000,000', unit: 'MB', value: many / 1e6 },
    { label: 'RSS with none', unit: 'MB', value: empty / 1e6 },
    { label: 'for each of 1,000,000', unit: 'bytes', value: (many - empty) / CACHED[1]! },
  ]
}

function residentWith(descriptors: number): number {
  const program = join(import.meta.dirname, '../cache-memory.ts')
  return Number(
    execFileSync(process.execPath, ['--expose-gc', program, `${descriptors}`], { encoding: 'utf8' }),
  )
}

/** The downloads go on, again and again, until the last upload is done. */
async function measureUnderLoad(server: Server): Promise<Figure[]> {
  const repository = 'bench/memory'
  const client = new RegistryClient(server.port)
  const [downloaded, ...uploaded] = streamedContents(1 + atOnce, transferBytes)
  await client.pushStream(repository, downloaded!)
  const path = `/v2/${repository}/blobs/${downloaded!.digest}`
  const startedAt = performance.now()
  const downloads = new Load({ port: server.port, method: 'GET', path, accept: '*/*', connections: atOnce })
  try {
    const uploads = Promise.all(uploaded.map((content) => client.pushStream(repository, content)))
    await Promise.race([uploads, downloads.failed])
    const milliseconds = performance.now() - startedAt
    return [
      ...(await uploadFigures(server, milliseconds)),
      { label: 'downloaded', unit: 'GB/s', value: downloads.bytes / 1e6 / milliseconds },
    ]
  } finally {
    downloads.stop()
    client.close()
  }
}

async function measureUploads(server: Server): Promise<Figure[]> {
  const client = new RegistryClient(server.port)
  const contents = streamedContents(atOnce, transferBytes)
  try {
    const startedAt = performance.now()
    await Promise.all(contents.map((content) => client.pushStream('bench/memory', content)))
    return await uploadFigures(server, performance.now() - startedAt)
  } finally {
    client.close()
  }
}

async function uploadFigures(server: Server, milliseconds: number): Promise<Figure[]> {
  return [
    { label: 'peak RSS', unit: 'MB', value: (await peakResidentBytes(server.pid)) / 1e6 },
    { label: 'uploaded', unit: 'GB/s', value: (atOnce * transferBytes) / 1e6 / milliseconds },
  ]
}
