import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startEntrepot } from '../../support/entrepot-process.ts'
import type { Random } from '../../support/random.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { LinkCheck } from '../links.ts'
import { Replica } from '../replicas.ts'
import type { Findings } from './findings.ts'
import type { Store } from './stores.ts'

export interface PlaceKind {
  readonly title: string
  /** Programs that it needs. */
  readonly tools?: readonly string[]
  readonly open: (parts: { servers: AsyncDisposableStack; folder: string }) => Promise<Store>
  readonly processes: number
  /** Of each process. */
  readonly workers?: number
  /** True where processes are killed now and then. */
  readonly isDeadly?: boolean
  /** How long it may take until a process hears of what another one has done. Default: no time. */
  readonly settleMs?: number
  /** A length of blobs that are kept in another way than small ones while they are uploaded. */
  readonly largeBytes: number
  /** After so long it begins anew on an empty store: the emulator keeps all it was ever given, and slows down until it stands still. */
  readonly stretchSeconds?: number
}

const MAX_MS_BETWEEN_KILLS = 5_000
const MAX_MS_DOWN = 500
const MAX_ERRORS = 20

/** The processes of a registry and what they share. */
export class Place implements AsyncDisposable {
  readonly replicas: readonly Replica[]
  /** Lines of their logs about errors that they did not foresee. */
  readonly errors: readonly string[]
  readonly #servers: AsyncDisposableStack
  readonly #store: Store

  private constructor(parts: {
    servers: AsyncDisposableStack
    store: Store
    replicas: readonly Replica[]
    errors: readonly string[]
  }) {
    this.#servers = parts.servers
    this.#store = parts.store
    this.replicas = parts.replicas
    this.errors = parts.errors
  }

  static async start({ open, processes, workers = 1, settleMs = 0 }: PlaceKind): Promise<Place> {
    await using servers = new AsyncDisposableStack()
    const { path: folder } = servers.use(await temporaryFolder())
    const store = await open({ servers, folder })
    const isOne = processes === 1
    const http = { addr: '127.0.0.1:0', secret: 'the same in every process', workers }
    const errors: string[] = []
    const onLine = (line: string) => {
      if (/"level":("error"|50)/.test(line) && errors.length < MAX_ERRORS) errors.push(line)
    }
    const start = () =>
      startEntrepot(
        {
          ...store.options,
          dataFolder: join(folder, 'unused'),
          configFolder: folder,
          // A process has to hear of what others delete, or to remember nothing.
          ...(!isOne && settleMs === 0 && { cache: 'none' }),
          config: { ...store.options.config, http },
        },
        { onLine },
      )
    const replicas = Array.from({ length: processes }, () => servers.use(new Replica(start)))
    for (const replica of replicas) await replica.start()
    return new Place({ servers: servers.move(), store, replicas, errors })
  }

  /** Ends a process in the middle of what it does, again and again, and starts it anew. */
  async killUntil(
    stopped: AbortSignal,
    { random, findings }: { random: Random; findings: Findings },
  ): Promise<void> {
    for (;;) {
      await delay(1 + random.below(MAX_MS_BETWEEN_KILLS), undefined, { signal: stopped }).catch(
        () => undefined,
      )
      if (stopped.aborted) return
      const victim = random.pick(this.replicas)
      await victim.kill()
      findings.count('kill')
      await delay(random.below(MAX_MS_DOWN))
      await victim.start()
    }
  }

  /** Ends all processes, and looks at what they have left: each blob has the digest of its name, each link names one. */
  async expectSound(): Promise<void> {
    for (const replica of this.replicas) await replica.kill()
    await new LinkCheck(await this.#store.files()).expectSound()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#servers[Symbol.asyncDispose]()
  }
}
