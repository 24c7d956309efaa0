import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { startEntrepot } from '../support/entrepot-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { layoutRoot } from '../support/storage-tree.ts'
import {
  readSystemCalls,
  type SystemCall,
  straceArguments,
  TRACED_ENVIRONMENT,
} from '../support/system-calls.ts'

/** What is to go wrong with the syncs of a folder: `stuck`, they don't come to an end; `failed once`, the first one fails. */
export interface Fault {
  readonly folder: string
  readonly kind: 'stuck' | 'failed once'
}

const LONGER_THAN_ANY_TEST = 1_000_000_000 // microseconds

const INJECTED = { stuck: `delay_enter=${LONGER_THAN_ANY_TEST}`, 'failed once': 'error=EIO:when=1' } as const

/** A registry over a folder, of which one knows what it asked of the operating system. */
export class TracedEntrepot implements AsyncDisposable {
  readonly client: RegistryClient
  readonly #server: ServerProcess
  readonly #root: string
  readonly #trace: string

  private constructor(server: ServerProcess, { root, trace }: { root: string; trace: string }) {
    this.client = new RegistryClient(server.url)
    this.#server = server
    this.#root = root
    this.#trace = trace
  }

  /** @param folder of the test; the data are in `data`
   *  @param fault with one, nothing else can be seen than the syncs of its folder */
  static async start(folder: string, name: string, fault?: Fault): Promise<TracedEntrepot> {
    const trace = join(folder, `${name}.trace`)
    const root = join(folder, 'data')
    const under = ['strace', ...straceArguments(trace), ...(fault === undefined ? [] : injecting(fault))]
    // strace counts for each thread what is to fail once.
    const threads = fault?.kind === 'failed once' && { UV_THREADPOOL_SIZE: '1' }
    const options = {
      dataFolder: root,
      configFolder: folder,
      environment: { ...TRACED_ENVIRONMENT, ...threads },
      cache: 'none',
    } as const
    return new TracedEntrepot(await startEntrepot(options, { under }), { root, trace })
  }

  get url(): string {
    return this.#server.url
  }

  /** What has come to its end, in that order. */
  async calls(): Promise<SystemCall[]> {
    const calls = await readSystemCalls(this.#trace)
    return calls.toSorted((one, other) => one.endedAt - other.endedAt)
  }

  /** That this process has made the file's name durable since it stood, and the names of all folders above.
   *  @param file below the root of the layout */
  async expectSynced(file: string): Promise<void> {
    const synced = new Set<string>()
    for (const { name, paths, result } of await this.calls())
      if (name === 'fsync' && result === 0) synced.add(paths[0] as string)
    const missing = foldersAbove(join(this.#root, layoutRoot, file), this.#root).filter(
      (above) => !synced.has(above),
    )
    expect(missing, `folders that were not synced before ${file} was relied on`).toEqual([])
  }

  kill(): Promise<void> {
    return this.#server.kill()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

function injecting({ folder, kind }: Fault): string[] {
  return ['-P', folder, '-e', `inject=fsync:${INJECTED[kind]}`]
}

function foldersAbove(path: string, root: string): string[] {
  const above = dirname(path)
  return above === root ? [above] : [above, ...foldersAbove(above, root)]
}
