/** A registry over a folder that is killed at a system call and started again, round after round, with what is told of each round. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { OutboxAdmin } from '../../../src/notifications/admin.ts'
import { outboxState } from '../../../src/notifications/outbox/outbox-state.ts'
import { FilesystemDriver } from '../../../src/storage/filesystem.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { EventReceiver, eventsIn } from '../../support/event-receiver.ts'
import { type CallMoment, killAtCall } from '../../support/kill-at-call.ts'
import { sha256 } from '../../support/oci-image.ts'
import { RegistryClient, UnexpectedAnswer } from '../../support/registry-client.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { TRACED_ENVIRONMENT } from '../../support/system-calls.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { type Change, nameOf, push, type Story } from './stories.ts'

const ENDPOINT = 'all'
const LIBRARY = 'library'

export interface DiskBenchOptions {
  readonly story: Story
  /** True if the receiver refuses everything until the registry has given it up; then dead letters are replayed. */
  readonly refuses: boolean
}

/** What was done in a round. */
interface Made {
  readonly acknowledged: Change[]
  /** What the registry was killed at, or nothing. */
  readonly broken: Change | undefined
}

export class DiskBench implements AsyncDisposable {
  readonly #resources = new AsyncDisposableStack()
  readonly #options: DiskBenchOptions
  readonly #folder: string
  readonly #receiver: EventReceiver
  readonly #driver: FilesystemDriver
  readonly #ids = new Map<string, string>()
  /** Names of events that came again under another id. */
  readonly #renamed: string[] = []
  /** Names of events, in the order in which they were first accepted. */
  readonly #told = new Set<string>()
  #isRefusing = false
  #server: ServerProcess
  #blob = ''
  #rounds = 0

  private constructor(
    options: DiskBenchOptions,
    parts: { folder: string; receiver: EventReceiver; driver: FilesystemDriver; server: ServerProcess },
  ) {
    this.#options = options
    this.#folder = parts.folder
    this.#receiver = parts.receiver
    this.#driver = parts.driver
    this.#server = parts.server
  }

  static async start(options: DiskBenchOptions): Promise<DiskBench> {
    const folder = await temporaryFolder()
    const receiver = await EventReceiver.start()
    const server = await startRegistry(folder.path, receiver.url)
    const driver = await FilesystemDriver.open({ root: join(folder.path, 'data') })
    const bench = new DiskBench(options, { folder: folder.path, receiver, driver, server })
    bench.#resources.defer(() => folder.remove())
    bench.#resources.use(receiver)
    bench.#resources.defer(() => driver.close())
    bench.#resources.defer(() => bench.#server.kill())
    receiver.answer = ({ body }, response) => {
      for (const event of eventsIn(body)) {
        const name = nameOf(event)
        if ((bench.#ids.get(name) ?? event.id) !== event.id) bench.#renamed.push(name)
        bench.#ids.set(name, event.id)
        if (!bench.#isRefusing) bench.#told.add(name)
      }
      receiver.forget()
      response.writeHead(bench.#isRefusing ? 500 : 200).end()
    }
    bench.#blob = await new RegistryClient(server.url).pushBlob(LIBRARY, Buffer.from('shared'))
    return bench
  }

  /** @returns false if the story came to its end before the process made the call so often */
  async killAt(moment: CallMoment): Promise<boolean> {
    const title = `${moment.when} ${moment.call} ${moment.time}`
    const repository = `round/${++this.#rounds}`
    this.#isRefusing = this.#options.refuses
    const victim = this.#server
    const kill = await killAtCall(victim.pid, moment)
    const made = await this.#make(
      this.#options.story(repository, { repository: LIBRARY, digest: this.#blob }),
    )
    const over = new AbortController()
    const delivered = this.#delivered(made, over.signal)
    await Promise.race([victim.exited, ...(made.broken === undefined ? [delivered] : [])])
    over.abort()
    await kill.disarm()
    const call = kill.call()
    if (call !== undefined) {
      await victim.exited
      expectMadeOrNot(moment, call)
      this.#server = await startRegistry(this.#folder, this.#receiver.url)
    } else expect(kill.count()).toBeLessThanOrEqual(moment.time)
    await delivered
    await this.#expectTold(made, repository).catch((cause: unknown) => {
      throw new Error(`killed ${title}: ${call}`, { cause })
    })
    return call !== undefined
  }

  async #make(story: readonly Change[]): Promise<Made> {
    const client = new RegistryClient(this.#server.url)
    const acknowledged: Change[] = []
    for (const change of story) {
      try {
        await change.make(client)
        acknowledged.push(change)
      } catch (error) {
        if (error instanceof UnexpectedAnswer) throw error
        return { acknowledged, broken: change }
      }
    }
    return { acknowledged, broken: undefined }
  }

  /** Until all is told and the registry has noted that, or until the signal. */
  async #delivered({ acknowledged }: Made, signal: AbortSignal): Promise<void> {
    const names = namesOf(acknowledged)
    if (this.#options.refuses) {
      await until(async () => missing(names, await this.#dead()).length === 0, signal)
      if (!signal.aborted) await this.#replayDead()
    }
    await until(() => missing(names, this.#told).length === 0, signal)
    await until(async () => {
      const state = (await outboxState(this.#driver).get())?.state
      return state?.next === state?.endpoints[ENDPOINT]?.segment
    }, signal)
  }

  async #expectTold({ acknowledged, broken }: Made, repository: string): Promise<void> {
    const client = new RegistryClient(this.#server.url)
    // What comes last in the repository is told after all that was decided before.
    const last = push(repository, Buffer.from(`last of ${repository}`))
    await last.make(client)
    if (this.#options.refuses) await this.#replayDead()
    const happened: string[] = []
    for (const name of broken?.events ?? []) if (await isSo(name, client)) happened.push(name)
    const expected = [...namesOf(acknowledged), ...happened, ...last.events]
    const awaited = this.#options.refuses ? expected : last.events
    await expect.poll(() => missing(awaited, this.#told), { timeout: 60_000 }).toEqual([])
    const told = [...this.#told].filter((name) => isOf(name, repository))
    expect(told.toSorted()).toEqual(expected.toSorted())
    expect(this.#renamed).toEqual([])
    if (this.#options.refuses) return
    const changes = [...acknowledged, ...(broken ? [broken] : []), last]
    const order = told.map((name) => changes.findIndex(({ events }) => events.includes(name)))
    expect(order).toEqual(order.toSorted((one, other) => one - other))
  }

  async #dead(): Promise<Set<string>> {
    const names = new Set<string>()
    for await (const { dead } of new OutboxAdmin(this.#driver).endpoints())
      for (const { event } of dead) names.add(nameOf(event))
    return names
  }

  async #replayDead(): Promise<void> {
    this.#isRefusing = false
    expect(await new OutboxAdmin(this.#driver).ask({ kind: 'revive', endpoint: ENDPOINT })).toBe(true)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }
}

function startRegistry(folder: string, url: string): Promise<ServerProcess> {
  const backoff = { threshold: 1, backoff: '20ms', maxbackoff: '50ms', deadletterafter: '300ms' }
  return startEntrepot({
    dataFolder: join(folder, 'data'),
    configFolder: folder,
    // Otherwise some calls are made in the main thread, if the disk is quick.
    storage: { filesystem: { rootdirectory: join(folder, 'data'), quickcalls: 'never' } },
    environment: { ...TRACED_ENVIRONMENT, UV_THREADPOOL_SIZE: '1' },
    config: {
      // Its files are none of the storage's.
      index: { enabled: false },
      notifications: { endpoints: [{ name: ENDPOINT, url, ...backoff, ignore: { actions: ['pull'] } }] },
    },
  })
}

function namesOf(changes: readonly Change[]): string[] {
  return changes.flatMap(({ events }) => events)
}

function missing(names: readonly string[], found: ReadonlySet<string>): string[] {
  return names.filter((name) => !found.has(name))
}

function isOf(name: string, repository: string): boolean {
  const [, ofEvent = ''] = name.split(/[ @:]/)
  return ofEvent === repository || ofEvent.startsWith(`${repository}/`)
}

/** Looks again and again, also while the registry is killed. */
async function until(isSo: () => boolean | Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !(await isSo())) await pause(20)
}

/** True if the registry shows it. */
async function isSo(name: string, client: RegistryClient): Promise<boolean> {
  const [, action, repository = '', tag, digest] = /^(\w+) ([^:@]+)(?::(\w+))?(?:@(.+))?$/.exec(name) ?? []
  if (action === 'delete' && tag) return !(await client.tags(repository))?.includes(tag)
  const named = tag && (await client.manifest(repository, tag))
  if (tag) return named !== undefined && named !== '' && sha256(named) === digest
  const isThere = (await client.hasBlob(repository, digest!)) || (await client.manifest(repository, digest!))
  return action === 'delete' ? !isThere : Boolean(isThere)
}

/** That the kill came when it should, as far as one can see it: the first name of a file that is renamed is there still, or not any more. */
function expectMadeOrNot({ call, when }: CallMoment, shown: string): void {
  const from = /\brename\("([^"]+)"/.exec(shown)?.[1]
  if (call === 'rename' && from && !shown.includes(' = -1 '))
    expect(existsSync(from), shown).toBe(when === 'before')
}
