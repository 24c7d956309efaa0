/** What one worker deletes is gone for all before the delete is answered. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { contentOf, mediaTypes, sha256 } from '../support/oci-image.ts'
import { RedisProcess } from '../support/redis-process.ts'
import { type KeptConnection, RegistryOfWorkers } from './support.ts'

const WORKERS = 3
const CONNECTIONS = 32
const ROUNDS = 25

let registry: RegistryOfWorkers
let connections: KeptConnection[]

async function start(sections: { redis?: object } = {}): Promise<void> {
  registry = await RegistryOfWorkers.start(WORKERS, sections)
  connections = []
  while (connections.length < CONNECTIONS) connections.push(await registry.connect())
}

/** The statuses that all connections are answered with, each once. */
async function statusesOf(request: string, from: readonly KeptConnection[] = connections): Promise<number[]> {
  const answers = await Promise.all(from.map((connection) => connection.send(request)))
  return [...new Set(answers.map(({ status }) => status))]
}

async function pushManifest(text: string): Promise<string> {
  const config = contentOf(Buffer.from(`{"config of":"${text}"}`), mediaTypes.config)
  await registry.client.pushBlob('a', config.bytes)
  const json = { schemaVersion: 2, mediaType: mediaTypes.manifest, config: config.descriptor, layers: [] }
  const manifest = contentOf(Buffer.from(JSON.stringify(json)), mediaTypes.manifest)
  await registry.client.pushManifest('a', { reference: text, manifest })
  return manifest.descriptor.digest
}

/** Every round another connection deletes. */
function* rounds(): Generator<{ round: number; deleter: KeptConnection }> {
  for (let round = 0; round < ROUNDS; round++) {
    yield { round, deleter: connections[(round * 7) % CONNECTIONS] as KeptConnection }
  }
}

describe('workers with a cache in memory', () => {
  beforeAll(() => start())
  afterAll(() => registry[Symbol.asyncDispose]())

  test('the connections are spread evenly over all workers', () => {
    const counts = Map.groupBy(connections, ({ worker }) => worker)
    expect(counts.size).toBe(WORKERS)
    for (const { length } of counts.values()) expect(length).toBeGreaterThanOrEqual(10)
  })

  test('each worker is a process of its own, and says which it is', async () => {
    const pids = await Promise.all([1, 2, 3].map((worker) => registry.pidOf(worker)))
    expect(new Set([...pids, registry.server.pid]).size).toBe(4)
    const listening = registry.log.find(({ msg }) => msg === 'listening')
    expect(listening).toMatchObject({
      pid: registry.server.pid,
      workers: WORKERS,
      address: registry.server.url,
    })
  })

  deletesAreSeenByAll()
})

describeWith(['redis-server'], 'workers with a cache in Redis', () => {
  let redis: RedisProcess
  beforeAll(async () => {
    redis = await RedisProcess.start()
    await start({ redis: { addr: redis.address } })
  })
  afterAll(async () => {
    await registry[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
  })

  deletesAreSeenByAll()

  test('and seen as soon while Redis stands still, and after', async () => {
    for (let round = 0; round < 5; round++) {
      const blob = `/v2/a/blobs/${await registry.client.pushBlob('a', Buffer.from(`frozen ${round}`))}`
      for (let time = 0; time < 2; time++) expect(await statusesOf(`HEAD ${blob}`)).toEqual([200])
      redis.freeze()
      const deleter = connections[round] as KeptConnection
      expect((await deleter.send(`DELETE ${blob}`)).status).toBe(202)
      expect(await statusesOf(`HEAD ${blob}`)).toEqual([404])
      redis.thaw()
      for (let time = 0; time < 5; time++) expect(await statusesOf(`HEAD ${blob}`)).toEqual([404])
    }
  })
})

function deletesAreSeenByAll(): void {
  test('a deleted blob is gone for all at their next request', async () => {
    for (const { round, deleter } of rounds()) {
      const blob = `/v2/a/blobs/${await registry.client.pushBlob('a', Buffer.from(`blob ${round}`))}`
      for (let time = 0; time < 2; time++) expect(await statusesOf(`HEAD ${blob}`)).toEqual([200])
      expect((await deleter.send(`DELETE ${blob}`)).status).toBe(202)
      expect(await statusesOf(`HEAD ${blob}`)).toEqual([404])
      expect(await statusesOf(`GET ${blob}`)).toEqual([404])
    }
  })

  test('a deleted manifest and its tag are gone for all at their next request', async () => {
    for (const { round, deleter } of rounds()) {
      const manifest = `/v2/a/manifests/${await pushManifest(`tag-${round}`)}`
      for (const request of [`GET ${manifest}`, `GET /v2/a/manifests/tag-${round}`, `HEAD ${manifest}`]) {
        expect(await statusesOf(request)).toEqual([200])
      }
      expect((await deleter.send(`DELETE ${manifest}`)).status).toBe(202)
      expect(await statusesOf(`GET ${manifest}`)).toEqual([404])
      expect(await statusesOf(`GET /v2/a/manifests/tag-${round}`)).toEqual([404])
    }
  })

  test('what is looked up while it is deleted is not remembered by anybody', async () => {
    for (const { round, deleter } of rounds()) {
      const blob = `/v2/b/blobs/${await registry.client.pushBlob('b', Buffer.from(`blob ${round}`))}`
      const others = connections.filter((connection) => connection !== deleter)
      const [, deleted] = await Promise.all([
        statusesOf(`HEAD ${blob}`, others),
        deleter.send(`DELETE ${blob}`),
        statusesOf(`HEAD ${blob}`, others),
      ])
      expect(deleted.status).toBe(202)
      expect(await statusesOf(`HEAD ${blob}`)).toEqual([404])
    }
  })

  test('what is pushed again after a delete is there for all', async () => {
    const bytes = Buffer.from('come and gone')
    const blob = `/v2/a/blobs/${sha256(bytes)}`
    for (const { deleter } of rounds()) {
      await registry.client.pushBlob('a', bytes)
      expect(await statusesOf(`HEAD ${blob}`)).toEqual([200])
      expect((await deleter.send(`DELETE ${blob}`)).status).toBe(202)
      expect(await statusesOf(`HEAD ${blob}`)).toEqual([404])
    }
  })
}
