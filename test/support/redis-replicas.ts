/** Replicas in processes of their own over one folder, each with a line of its own to one Redis. */
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { startEntrepot } from './entrepot-process.ts'
import { gzippedLayer, imageOf } from './oci-image.ts'
import type { RedisProcess } from './redis-process.ts'
import { RegistryClient } from './registry-client.ts'
import type { ServerProcess } from './server-process.ts'
import { TcpProxy } from './tcp-proxy.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

export interface Replica {
  readonly server: ServerProcess
  readonly client: RegistryClient
  /** To Redis. */
  readonly line: TcpProxy
}

/** A blob and a manifest, in a repository of their own. */
export interface Content {
  readonly repository: string
  readonly blob: string
  readonly manifest: string
}

export class RedisReplicas implements AsyncDisposable {
  redis: RedisProcess
  readonly #folder: TemporaryFolder
  readonly #opened = new AsyncDisposableStack()
  #count = 0

  private constructor(redis: RedisProcess, folder: TemporaryFolder) {
    this.redis = redis
    this.#folder = this.#opened.use(folder)
  }

  static async start(redis: RedisProcess): Promise<RedisReplicas> {
    return new RedisReplicas(redis, await temporaryFolder())
  }

  /** One more, which uses Redis already. */
  async join(): Promise<Replica> {
    const replica = await this.start()
    await this.usesRedis(replica)
    return replica
  }

  /** One more.
   *  @param port of its Redis, when it is another than that of all */
  async start(port = this.redis.port): Promise<Replica> {
    const line = this.#opened.use(await TcpProxy.start(port))
    const server = await startEntrepot({
      dataFolder: join(this.#folder.path, 'data'),
      configFolder: this.#folder.path,
      config: { redis: { addr: line.address } },
    })
    this.#opened.use(server)
    return { server, client: new RegistryClient(server.url), line }
  }

  /** Fulfilled when what is pushed to the replica gets into Redis. */
  async usesRedis({ client }: Replica, redis = this.redis): Promise<void> {
    const isUsed = async () => {
      const digest = await client.pushBlob('used', Buffer.from(`push ${this.#count++}`))
      const value = await redis.run('GET', `entrepot:m:blob:used@${digest}`)
      return value !== null && value !== 'gone'
    }
    await vi.waitUntil(isUsed, { timeout: 60_000, interval: 50 })
  }

  /** Something new, which all of these have at hand. */
  async push(replicas: readonly Replica[]): Promise<Content> {
    const repository = `r${this.#count++}`
    const image = imageOf([gzippedLayer([{ path: 'file', content: Buffer.from(repository) }])])
    const client = replicas[0]?.client as RegistryClient
    await client.pushImage(repository, { tag: 'v1', image })
    const blob = await client.pushBlob(repository, Buffer.from(`blob of ${repository}`))
    const content = { repository, blob, manifest: image.manifest.descriptor.digest }
    for (const replica of replicas) {
      for (let time = 0; time < 2; time++) expect(await statuses(replica, content)).toEqual([200, 200])
    }
    return content
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync()
  }
}

export async function deleteFrom(
  { client }: Replica,
  { repository, blob, manifest }: Content,
): Promise<void> {
  await client.deleteManifest(repository, manifest)
  await client.deleteBlob(repository, blob)
}

/** What a replica answers for the blob and for the manifest by its digest. */
export async function statuses(
  { client }: Replica,
  { repository, blob, manifest }: Content,
): Promise<number[]> {
  const ask = async (path: string) => {
    const answer = await client.request(path, { expect: [200, 404] })
    await answer.arrayBuffer()
    return answer.status
  }
  return Promise.all([ask(`/v2/${repository}/blobs/${blob}`), ask(`/v2/${repository}/manifests/${manifest}`)])
}

/** How long the replicas go on to serve what has just been deleted, in ms: until the last request was made that they
 *  answered with it. Looks for longer than anybody may. */
export async function servedFor(replicas: readonly Replica[], content: Content): Promise<number> {
  const startedAt = performance.now()
  let last = 0
  while (performance.now() - startedAt < LOOK_MS) {
    const askedAt = performance.now()
    const answers = await Promise.all(replicas.map((replica) => statuses(replica, content)))
    if (answers.flat().includes(200)) last = askedAt - startedAt
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return last
}

const LOOK_MS = 6_500

/** For how long a replica may serve what another one deleted, by docs/cache.md. */
export const BOUND_MS = 5_000

/** What {@link statuses} gives for content that was deleted. */
export const gone = [404, 404]

/** All of them use Redis again, and none has the content. */
export async function expectGoneForGood(
  replicas: RedisReplicas,
  { at, content }: { at: readonly Replica[]; content: Content },
): Promise<void> {
  for (const replica of at) await replicas.usesRedis(replica)
  for (const replica of at) expect(await statuses(replica, content)).toEqual(gone)
}

/** The entry of the blob, as Redis has it. */
export async function entryOf({ repository, blob }: Content, redis: RedisProcess): Promise<string> {
  return String(await redis.run('GET', `entrepot:m:blob:${repository}@${blob}`))
}
