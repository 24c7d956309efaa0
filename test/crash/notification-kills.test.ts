/** Registries that are killed while they are pushed to and while they deliver: every acknowledged change is told, and what is told is
 *  there. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { EventReceiver } from '../support/event-receiver.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { seededRandom } from '../support/random.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { S3Server, s3Tools } from '../support/s3-server.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 6)
const SEED = process.env.CRASH_SEED ?? String(Date.now())
const PUSHERS = 4

test(`${ROUNDS} kills of a registry over a folder`, { timeout: 240_000 }, async () => {
  await using folder = await temporaryFolder()
  await killed({ replicas: 1, storage: undefined, folder: folder.path })
})

describeWith([s3Tools.versitygw], 'over a bucket', () => {
  test(`${ROUNDS} kills of one of two replicas`, { timeout: 240_000 }, async () => {
    await using store = await S3Server.start('versitygw')
    await using folder = await temporaryFolder()
    await killed({ replicas: 2, storage: { s3: store.settings }, folder: folder.path })
  })
})

interface Place {
  readonly replicas: number
  readonly storage: Readonly<Record<string, unknown>> | undefined
  readonly folder: string
}

async function killed({ replicas, storage, folder }: Place): Promise<void> {
  process.stdout.write(`\nCRASH_SEED=${SEED} CRASH_ROUNDS=${ROUNDS}\n`)
  const random = seededRandom(SEED)
  await using receiver = await EventReceiver.start()
  // A receiver that fails now and then, so that kills meet retries as well.
  receiver.answer = (_, response) => response.writeHead(random.below(10) === 0 ? 500 : 200).end()
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
  const acknowledged: Acknowledged[] = []
  const stop = new AbortController()
  const pushing = Array.from({ length: PUSHERS }, (_, pusher) =>
    push({ pusher, servers, acknowledged, signal: stop.signal }),
  )
  try {
    for (let round = 0; round < ROUNDS; round++) {
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
  const told = () =>
    new Set(receiver.events.map(({ action, target }) => nameOf({ action, ...target } as never)))
  const missing = () => acknowledged.map(nameOf).filter((name) => !told().has(name))
  await expect.poll(missing, { timeout: 90_000, interval: 200 }).toEqual([])
  await expectThere(receiver, new RegistryClient(servers[0]!.url))
  process.stdout.write(`${acknowledged.length} acknowledged, ${receiver.posts.length} posts\n`)
  for (const server of servers) expect(await server.stop()).toBe(0)
}

interface Acknowledged {
  readonly action: 'push' | 'delete'
  readonly repository: string
  readonly tag?: string
  readonly digest?: string
}

function nameOf({ action, repository, tag, digest }: Acknowledged): string {
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
  acknowledged: Acknowledged[]
  signal: AbortSignal
}): Promise<void> {
  const repository = `kills/${pusher}`
  for (let count = 0; !signal.aborted; count++) {
    const client = new RegistryClient(servers[(count + pusher) % servers.length]!.url)
    const image = imageOf([gzippedLayer([{ path: 'a', content: `${pusher} ${count}` }])])
    const tag = `tag${count}`
    try {
      await client.pushImage(repository, { tag, image })
      acknowledged.push({ action: 'push', repository, tag })
      acknowledged.push({ action: 'push', repository, digest: image.config.descriptor.digest })
      if (count % 3 !== 0) continue
      await client.deleteManifest(repository, tag)
      acknowledged.push({ action: 'delete', repository, tag })
    } catch {
      await pause(20) // its server was killed
    }
  }
}

/** Nothing is told that did not happen: what was pushed is there, unless it was deleted; what was deleted is not. */
async function expectThere(receiver: EventReceiver, client: RegistryClient): Promise<void> {
  const deleted = new Set(
    receiver.events
      .filter(({ action }) => action === 'delete')
      .map(({ target }) => `${target.repository}:${target.tag}`),
  )
  const tags = new Map<string, Set<string>>()
  for (const { action, target } of receiver.events) {
    if (!target.tag) {
      expect(await client.hasBlob(target.repository, String(target.digest))).toBe(true)
      continue
    }
    const { repository } = target
    if (!tags.has(repository)) tags.set(repository, new Set(await client.tags(repository)))
    const isThere = tags.get(repository)!.has(target.tag)
    const name = `${action} ${repository}:${target.tag}`
    expect({ name, isThere }).toEqual({ name, isThere: !deleted.has(`${repository}:${target.tag}`) })
  }
}
