import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ListMultipartUploadsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { seededRandom } from '../support/random.ts'
import { RedisProcess } from '../support/redis-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { S3Server, s3Tools } from '../support/s3-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Fleet } from './fleet.ts'
import { LinkCheck } from './links.ts'
import { Pullers } from './pullers.ts'
import { ClientOfReplicas, Replica } from './replicas.ts'

const rounds = Number(process.env.CRASH_REPLICA_ROUNDS ?? 12)
const seed = process.env.CRASH_SEED ?? String(Date.now())
const pusherCount = 8
const pullerCount = 8
const maxAcknowledgementsBeforeKill = 80
const maxMillisecondsDown = 500
const MIB = 1024 ** 2
/** An upload becomes one in parts of 5 MiB, and what is pushed in chunks has up to three of them. */
const chunkBytes = 3 * MIB
const maxBytes = 13 * MIB

describeWith(['redis-server', s3Tools.versitygw], 'replicas over one bucket and one Redis', () => {
  test(`${rounds} kills of one of two lose nothing that was acknowledged, and keep nobody waiting`, {
    timeout: 120_000 + rounds * 30_000,
  }, async () => {
    process.stdout.write(`\nCRASH_SEED=${seed} CRASH_REPLICA_ROUNDS=${rounds}\n`)
    await using place = await Place.start()
    const [one, other] = [place.replica(), place.replica()]
    const replicas = [one, other]
    await using _one = one
    await using _other = other
    for (const replica of replicas) await replica.start()
    const clientOf = (number: number) => new ClientOfReplicas(replicas, { turn: number, ...bytesBy(number) })
    const pullers = new Pullers({ seed, clients: Array.from({ length: pullerCount }, (_, n) => clientOf(n)) })
    const pushing = Array.from({ length: pusherCount }, (_, number) => clientOf(number))
    const fleet = new Fleet({
      seed,
      chunked: { chunkBytes, maxBytes },
      clients: pushing,
      async pushed(push, client) {
        await pullers.pull(push, client.elsewhere())
        if (push.ledger === fleet.shared) pullers.add(push)
      },
    })
    await abandonUploads(clientOf(0))

    await whilePushedAndPulled(fleet, pullers, async (working) => {
      for (let round = 1; round <= rounds; round++) {
        const victim = fleet.random.pick(replicas)
        await Promise.race([fleet.enoughAcknowledged(maxAcknowledgementsBeforeKill), working])
        await victim.kill()
        await pause(fleet.random.below(maxMillisecondsDown))
        await victim.start()
      }
    })
    const resumed = pushing.reduce((sum, client) => sum + client.resumed, 0)
    const did = `${fleet.acknowledgements} acknowledgements, ${resumed} uploads resumed, ${pullers.pulls} pulls`
    process.stdout.write(`${did}\n`)

    for (const { url } of replicas) await expectAll(fleet, url)
    for (const replica of replicas) await replica.kill()
    expect(await place.openUploads()).not.toEqual([])
    await using third = place.replica({ maintenance: { uploadpurging: { age: '1ms', interval: '1s' } } })
    await third.start()
    await expect.poll(() => place.openUploads(), { timeout: 60_000, interval: 500 }).toEqual([])
    await expectAll(fleet, third.url)
    await new LinkCheck(place.dataFolder).expectSound()
  })
})

/** Half of the clients get the bytes of layers from the store, where they are sent; half through the registry. */
function bytesBy(number: number) {
  return number % 4 < 2 ? {} : { headers: { 'user-agent': 'through/1' } }
}

/** One in parts and one that is not: nobody goes on with them. */
async function abandonUploads(client: RegistryClient): Promise<void> {
  const bytes = seededRandom(seed).bytes(2 * chunkBytes + MIB)
  await client.sendChunk(await client.beginUpload('crash/abandoned'), bytes)
  await client.sendChunk(await client.beginUpload('crash/abandoned'), bytes.subarray(0, MIB))
}

async function whilePushedAndPulled(
  fleet: Fleet,
  pullers: Pullers,
  work: (working: Promise<unknown>) => Promise<void>,
): Promise<void> {
  const stop = new AbortController()
  const working = Promise.all([fleet.pushUntil(stop.signal), pullers.pullUntil(stop.signal)])
  try {
    await work(working)
  } finally {
    stop.abort()
    await working
  }
}

async function expectAll(fleet: Fleet, url = ''): Promise<void> {
  await fleet.expectPromisesKept(new RegistryClient(url), { everything: true })
}

/** What replicas share. */
class Place implements AsyncDisposable {
  readonly #servers: AsyncDisposableStack
  readonly #store: S3Server
  readonly #redis: RedisProcess
  readonly #configFolder: string

  private constructor(parts: {
    servers: AsyncDisposableStack
    store: S3Server
    redis: RedisProcess
    configFolder: string
  }) {
    this.#servers = parts.servers
    this.#store = parts.store
    this.#redis = parts.redis
    this.#configFolder = parts.configFolder
  }

  static async start(): Promise<Place> {
    await using servers = new AsyncDisposableStack()
    const folder = servers.use(await temporaryFolder())
    const store = servers.use(await S3Server.start('versitygw'))
    const redis = servers.use(await RedisProcess.start())
    return new Place({ servers: servers.move(), store, redis, configFolder: folder.path })
  }

  /** Where the bucket is on disk. */
  get dataFolder(): string {
    return join(this.#store.folder, this.#store.bucket)
  }

  /** @param storage more of that section */
  replica(storage: Readonly<Record<string, unknown>> = {}): Replica {
    const s3 = { ...this.#store.settings, chunksize: 5 * MIB }
    const redirect = { except: { useragents: ['through/*'] } }
    return new Replica(() =>
      startEntrepot({
        dataFolder: join(this.#configFolder, 'unused'),
        configFolder: this.#configFolder,
        storage: { s3, redirect, ...storage },
        config: { redis: { addr: this.#redis.address } },
      }),
    )
  }

  /** Everything in the bucket that belongs to uploads which nobody has finished. */
  async openUploads(): Promise<string[]> {
    const { client, bucket } = this.#store
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    const found = Uploads.map(({ Key, UploadId }) => `${Key} ${UploadId}`)
    let token: string | undefined
    do {
      const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token }))
      const keys = (page.Contents ?? []).map(({ Key = '' }) => Key)
      found.push(...keys.filter((key) => key.includes('/_uploads/') || key.includes('~')))
      token = page.NextContinuationToken
    } while (token !== undefined)
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]()
  }
}
