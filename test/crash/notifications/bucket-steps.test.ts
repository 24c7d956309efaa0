/** Registries over a bucket that are killed before and after single requests to it: while they are pushed to, and while they deliver. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { EventReceiver } from '../../support/event-receiver.ts'
import { FaultyProxy, type StoreRequest } from '../../support/faulty-proxy.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { S3Server, s3Tools } from '../../support/s3-server.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

/** Before or after which requests of a process it is killed: all up to a number, by hand. */
const LAST_STEP = Number(process.env.CRASH_STEPS ?? 0)
const STEPS = LAST_STEP > 0 ? Array.from({ length: LAST_STEP }, (_, index) => index + 1) : [7]
const TAG = 'latest'

const roles = ['is pushed to', 'delivers'] as const
const whens = ['before', 'after'] as const

describeWith([s3Tools.versitygw], 'over a bucket', () => {
  test.each(roles.flatMap((role) => whens.map((when) => ({ role, when }))))(
    'a registry that $role, killed $when single requests to the bucket',
    { timeout: Math.max(300_000, STEPS.length * 30_000) },
    async ({ role, when }) => {
      await using bench = await Bench.start()
      let cut = 0
      for (const step of STEPS) if (await bench.killAt({ step, role, when })) cut++
      expect(cut).toBeGreaterThan(0)
    },
  )
})

interface Kill {
  readonly step: number
  readonly role: (typeof roles)[number]
  readonly when: (typeof whens)[number]
}

class Bench implements AsyncDisposable {
  readonly #resources = new AsyncDisposableStack()
  readonly #receiver: EventReceiver
  readonly #store: S3Server
  readonly #proxy: FaultyProxy
  readonly #folder: string

  private constructor(parts: {
    receiver: EventReceiver
    store: S3Server
    proxy: FaultyProxy
    folder: string
  }) {
    this.#receiver = parts.receiver
    this.#store = parts.store
    this.#proxy = parts.proxy
    this.#folder = parts.folder
  }

  static async start(): Promise<Bench> {
    const store = await S3Server.start('versitygw')
    const proxy = await FaultyProxy.start(store.endpoint)
    const folder = await temporaryFolder()
    const receiver = await EventReceiver.start()
    const bench = new Bench({ store, proxy, receiver, folder: folder.path })
    for (const one of [store, proxy, receiver]) bench.#resources.use(one)
    bench.#resources.defer(() => folder.remove())
    return bench
  }

  /** @returns true if the process had made so many requests */
  async killAt({ step, role, when }: Kill): Promise<boolean> {
    const repository = `${role === 'delivers' ? 'deliver' : 'push'}/${when}/${step}`
    this.#proxy.fault = () => undefined
    await using first = await this.#start(role === 'delivers')
    await using second = await this.#start(role !== 'delivers')
    const [victim, survivor] = role === 'delivers' ? [first, second] : [second, first]
    let isKilled = false
    let requests = 0
    this.#proxy.fault = (asked) => {
      if (isKilled) return { kind: 'reset' }
      if (++requests < step) return undefined
      isKilled = true
      if (when === 'after') {
        void kill(victim, asked)
        return { kind: 'lose-answer' }
      }
      process.kill(victim.pid, 'SIGKILL')
      return { kind: 'reset' }
    }
    const image = imageOf([gzippedLayer([{ path: 'a', content: repository }])])
    const pushed = role === 'delivers' ? survivor : victim
    const isAcknowledged = await new RegistryClient(pushed.url)
      .pushImage(repository, { tag: TAG, image })
      .then(
        () => true,
        () => false,
      )
    const client = new RegistryClient(survivor.url)
    // What comes last in the repository is told after all that was decided before.
    const last = await client.pushBlob(repository, Buffer.from(`last of ${repository}`))
    const told = () => this.#receiver.events.filter(({ target }) => target.repository === repository)
    await expect
      .poll(() => told().some(({ target }) => target.digest === last), { timeout: 90_000 })
      .toBe(true)
    if (isAcknowledged)
      expect(
        told().some(({ target }) => target.tag === TAG),
        `${repository}: ${step} ${when}`,
      ).toBe(true)
    const ids = new Map<string, string>()
    for (const { id, target } of told()) {
      const name = target.tag ?? String(target.digest)
      expect(ids.get(name) ?? id, 'a stable id').toBe(id)
      ids.set(name, id)
      const isThere = target.tag
        ? (await client.tags(repository))?.includes(target.tag)
        : await client.hasBlob(repository, String(target.digest))
      expect({ name, isThere }).toEqual({ name, isThere: true })
    }
    return isKilled
  }

  async #start(isProxied: boolean): Promise<ServerProcess> {
    const { settings } = this.#store
    const s3 = isProxied ? { ...settings, regionendpoint: this.#proxy.endpoint } : settings
    return startEntrepot({
      dataFolder: join(this.#folder, 'data'),
      configFolder: this.#folder,
      storage: { s3 },
      config: { notifications: { endpoints: [{ name: 'all', url: this.#receiver.url, backoff: '100ms' }] } },
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync()
  }
}

/** Once the bucket has answered. */
async function kill(victim: ServerProcess, asked: StoreRequest): Promise<void> {
  while (asked.status === undefined) await new Promise(setImmediate)
  process.kill(victim.pid, 'SIGKILL')
}
