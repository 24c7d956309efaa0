/** Pulls through a mirror: of what it has not, of what it has, and while its upstream is gone. */
import { Agent, type IncomingMessage, request } from 'node:http'
import pLimit from 'p-limit'
import { cpuSeconds } from '../processes.ts'
import type { Server } from '../servers.ts'
import type { Figure, Row, Time } from './row.ts'

const repository = 'library/large'
/** Blobs of an image that a client fetches at the same time, as docker does. */
const CONCURRENCY = 3

export const mirrorRows: Row[] = [
  {
    id: 'mirror-one',
    title: 'cold pull of 10 × 20 MiB by one client',
    variant: { mirror: true },
    measure: measureOne,
  },
  {
    id: 'mirror-twenty',
    title: 'cold pull of 10 × 20 MiB by 20 clients at once',
    variant: { mirror: true },
    measure: measureTwenty,
  },
]

async function measureOne(server: Server, { seconds }: Time): Promise<Figure[]> {
  const client = new PullClient(server.port)
  const cpuBefore = await cpuSeconds(server.pid)
  const cold = await timed(() => client.pull())
  const cpu = (await cpuSeconds(server.pid)) - cpuBefore
  const upstreamBytes = await server.upstream!.sentBytes()
  await untilStored(client)
  const warm = await timed(() => client.pull())
  const head = await timeOfHeads(client, seconds)
  await server.upstream!.stop()
  const stopped = await timed(() => client.head())
  const after = await timed(() => client.pull())
  client.close()
  return [
    { label: 'cold', unit: 'ms', value: cold },
    { label: 'its cost', unit: 'CPU s', value: cpu },
    { label: 'from the upstream', unit: 'MB', value: upstreamBytes / 1e6 },
    { label: 'warm pull', unit: 'ms', value: warm },
    { label: 'HEAD of the tag', unit: 'ms', value: head },
    { label: 'first HEAD once the upstream is gone', unit: 'ms', value: stopped },
    { label: 'warm pull while the upstream is gone', unit: 'ms', value: after },
  ]
}

async function measureTwenty(server: Server): Promise<Figure[]> {
  const clients = Array.from({ length: 20 }, () => new PullClient(server.port))
  const cold = await timed(() => Promise.all(clients.map((client) => client.pull())))
  const upstreamBytes = await server.upstream!.sentBytes()
  for (const client of clients) client.close()
  return [
    { label: 'cold', unit: 'ms', value: cold },
    { label: 'from the upstream', unit: 'MB', value: upstreamBytes / 1e6 },
  ]
}

/** Some registries store what they have sent a little later. */
async function untilStored(client: PullClient): Promise<void> {
  await client.pull()
  await client.pull()
}

async function timeOfHeads(client: PullClient, seconds: number): Promise<number> {
  const startedAt = performance.now()
  let heads = 0
  for (; performance.now() - startedAt < seconds * 1000; heads++) await client.head()
  return (performance.now() - startedAt) / heads
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

/** Fetches an image as docker does: the manifest, then its blobs. Bytes are counted and thrown away. */
class PullClient {
  readonly #port: number
  readonly #agent = new Agent({ keepAlive: true })

  constructor(port: number) {
    this.#port = port
  }

  async pull(): Promise<void> {
    const chunks: Buffer[] = []
    await this.#call('GET', `manifests/latest`, (chunk) => chunks.push(chunk))
    const { config, layers } = JSON.parse(Buffer.concat(chunks).toString())
    const limit = pLimit(CONCURRENCY)
    const fetch = async ({ digest, size }: { digest: string; size: number }) => {
      let received = 0
      await this.#call('GET', `blobs/${digest}`, (chunk) => {
        received += chunk.length
      })
      if (received !== size) throw new Error(`${digest}: ${received} of ${size} bytes`)
    }
    await Promise.all([config, ...layers].map((one) => limit(() => fetch(one))))
  }

  head(): Promise<void> {
    return this.#call('HEAD', 'manifests/latest', () => {})
  }

  close(): void {
    this.#agent.destroy()
  }

  async #call(method: string, what: string, take: (chunk: Buffer) => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const path = `/v2/${repository}/${what}`
    const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' }
    request({ host: '127.0.0.1', port: this.#port, method, path, headers, agent: this.#agent }, resolve)
      .on('error', reject)
      .end()
    const answer = await promise
    for await (const chunk of answer as AsyncIterable<Buffer>) take(chunk)
    if (answer.statusCode !== 200) throw new Error(`${method} ${path} answered ${answer.statusCode}`)
  }
}
