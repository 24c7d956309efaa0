/** Registries that are killed while they are pushed to and while they deliver: every acknowledged change is told, and what is told is
 *  there. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { mapInOrder } from '../../../src/lib/map-in-order.ts'
import { describeWith } from '../../support/describe-with.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { EventReceiver, eventsIn, type ReceivedEvent } from '../../support/event-receiver.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { seededRandom } from '../../support/random.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { S3Server, s3Tools } from '../../support/s3-server.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 6)
/** Over a bucket a round costs several times as much. */
const REPLICA_ROUNDS = Number(process.env.CRASH_REPLICA_ROUNDS ?? 6)
const SEED = process.env.CRASH_SEED ?? String(Date.now())
const PUSHERS = 4

test(`${ROUNDS} kills of a registry over a folder`, async () => {
  await using folder = await temporaryFolder()
  await killed({ rounds: ROUNDS, replicas: 1, storage: undefined, folder: folder.path })
})

describeWith([s3Tools.versitygw], 'over a bucket', () => {
  test(`${REPLICA_ROUNDS} kills of one of two replicas`, async () => {
    await using store = await S3Server.start('versitygw')
    await using folder = await temporaryFolder()
    await killed({
      ...{ rounds: REPLICA_ROUNDS, replicas: 2 },
      ...{ storage: { s3: store.settings }, folder: folder.path },
    })
  })
})

interface Place {
  readonly rounds: number
  readonly replicas: number
  readonly storage: Readonly<Record<string, unknown>> | undefined
  readonly folder: string
}

async function killed({ rounds, replicas, storage, folder }: Place): Promise<void> {
  process.stdout.write(`\nCRASH_SEED=${SEED} rounds=${rounds}\n`)
  const random = seededRandom(SEED)
  await using receiver = await EventReceiver.start()
  // A receiver that fails now and then, so that kills meet retries as well.
  const told = new Map<string, ReceivedEvent>()
  receiver.answer = ({ body }, response) => {
    for (const event of eventsIn(body)) told.set(nameOf(event), event)
    response.writeHead(random.below(10) === 0 ? 500 : 200).end()
  }
  const start = () =>
    startEntrepot({
      dataFolder: join(folder, 'data'),
      configFolder: folder,
      ...(storage && { storage }),
      config: {
        notifications: {
          endpoints: [{ name: 'all', url: receiver.url, backoff: '100ms', ignore: { actions: ['pull'] } }],
        },
      },
    })
  const servers: ServerProcess[] = []
  for (let count = 0; count < replicas; count++) servers.push(await start())
  const acknowledged: string[] = []
  const stop = new AbortController()
  const pushing = Array.from({ length: PUSHERS }, (_, pusher) =>
    push({ pusher, servers, acknowledged, signal: stop.signal }),
  )
  try {
    for (let round = 0; round < rounds; round++) {
      const before = acknowledged.length
      await expect.poll(() => acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(before + 4)
      await pause(random.below(40))
      const victim = random.below(replicas)
      await servers[victim]!.kill()
      servers[victim] = await start()
    }
  } finally {
    stop.abort()
    await Promise.all(pushing)
  }
  // The receiver lives in this process: to look must cost little, or nothing arrives meanwhile.
  const missing = () => acknowledged.filter((name) => !told.has(name))
  await expect.poll(missing, { timeout: 120_000, interval: 200 }).toEqual([])
  await expectThere([...told.values()], new RegistryClient(servers[0]!.url))
  process.stdout.write(`${acknowledged.length} acknowledged, ${receiver.posts.length} posts\n`)
  await Promise.all(servers.map(async (server) => expect(await server.stop()).toBe(0)))
}

/** What a change is called in the reports of this test. */
function nameOf({ action, target: { repository, tag, digest } }: Pick<ReceivedEvent, 'action' | 'target'>) {
  return tag ? `${action} ${repository}:${tag}` : `${action} ${repository}@${digest}`
}

/** Images with tags of their own; every third tag is deleted again. What is cut short is not repeated. */
async function push({
  pusher,
  servers,
  acknowledged,
  signal,
}: {
  pusher: number
  servers: readonly ServerProcess[]
  acknowledged: string[]
  signal: AbortSignal
}): Promise<void> {
  const repository = `kills/${pusher}`
  for (let count = 0; !signal.aborted; count++) {
    const client = new RegistryClient(servers[(count + pusher) % servers.length]!.url)
    const image = imageOf([gzippedLayer([{ path: 'a', content: `${pusher} ${count}` }])])
    const tag = `tag${count}`
    try {
      await client.pushImage(repository, { tag, image })
      acknowledged.push(nameOf({ action: 'push', target: { repository, tag } }))
      const { digest } = image.config.descriptor
      acknowledged.push(nameOf({ action: 'push', target: { repository, digest } }))
      if (count % 3 !== 0) continue
      await client.deleteManifest(repository, tag)
      acknowledged.push(nameOf({ action: 'delete', target: { repository, tag } }))
    } catch {
      await pause(20) // its server was killed
    }
  }
}

/** Nothing is told that did not happen: what was pushed is there, unless it was deleted; what was deleted is not. */
async function expectThere(told: readonly ReceivedEvent[], client: RegistryClient): Promise<void> {
  const deleted = new Set(
    told
      .filter(({ action }) => action === 'delete')
      .map(({ target }) => `${target.repository}:${target.tag}`),
  )
  const blobs = told.filter(({ target }) => !target.tag)
  const checks = mapInOrder(blobs, {
    concurrency: 8,
    work: async ({ target: { repository, digest } }) => ({
      digest,
      isThere: await client.hasBlob(repository, String(digest)),
    }),
  })
  for await (const { digest, isThere } of checks)
    expect({ digest, isThere }).toEqual({ digest, isThere: true })
  const tags = new Map<string, Set<string>>()
  for (const event of told) {
    const { repository, tag } = event.target
    if (!tag) continue
    if (!tags.has(repository)) tags.set(repository, new Set(await client.tags(repository)))
    const isThere = tags.get(repository)!.has(tag)
    const name = nameOf(event)
    expect({ name, isThere }).toEqual({ name, isThere: !deleted.has(`${repository}:${tag}`) })
  }
}
