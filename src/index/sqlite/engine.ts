import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { RegistryError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { removeFile } from '../../lib/files/private-folder.ts'
import type { Row, SqlEngine, Statement } from '../sql/engine.ts'
import { SQLITE_DIALECT } from './dialect.ts'
import type { ThreadAnswer, ThreadData, ThreadRequest } from './messages.ts'

/** Earlier versions can damage a database in WAL mode. https://sqlite.org/wal.html#walresetbug */
const MIN_VERSION = [3, 51, 3] as const

export interface SqliteOptions {
  /** The file, or `:memory:`. */
  readonly path: string
  /** Names the storage that the index is of. */
  readonly source: string
  readonly log: Log
  /** Default: that of this Node. */
  readonly version?: string | undefined
}

/** Stands for the answer that the thread is ready. */
const OPENING = 0

interface Pending {
  resolve(results: readonly Row[][]): void
  reject(error: Error): void
}

/** While the database cannot be opened, not every question tries it. */
const RETRY_MS = 1_000

/** SQLite in a thread of its own. A damaged file is removed and made again; one that cannot be opened is tried again. */
export class SqliteEngine implements SqlEngine {
  readonly dialect = SQLITE_DIALECT
  readonly #options: SqliteOptions
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | undefined
  #opening: Promise<void> | undefined
  #lastId = 0
  #isClosed = false

  private constructor(options: SqliteOptions) {
    this.#options = options
  }

  /** Does not start the thread yet, which takes longer than the rest of the registry's start.
   *  @throws Error if this Node's SQLite is too old */
  static open(options: SqliteOptions): SqliteEngine {
    requireVersion(options.version ?? process.versions.sqlite ?? '0')
    return new SqliteEngine(options)
  }

  async run(statements: readonly Statement[], { writes = false } = {}): Promise<readonly Row[][]> {
    await this.#opened()
    return this.#ask(statements, writes)
  }

  async reset(): Promise<void> {
    await this.run([])
    await this.#ask('reset', true)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const worker = this.#worker
    if (worker === undefined) return
    worker.ref()
    await this.#ask('close', false).catch(() => {})
    await worker.terminate()
  }

  #ask(statements: ThreadRequest['statements'], writes: boolean): Promise<readonly Row[][]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Row[][]>()
    const id = ++this.#lastId
    this.#pending.set(id, { resolve, reject })
    this.#worker?.postMessage({ id, statements, writes } satisfies ThreadRequest)
    return promise
  }

  /** Resolves once the thread is ready; starts it if there is none. */
  #opened(): Promise<void> {
    if (this.#isClosed) return Promise.reject(unavailable(new Error('the index is closed')))
    this.#opening ??= this.#open()
    return this.#opening
  }

  /** @param damage of the file, which is removed
   *  @throws RegistryError UNAVAILABLE */
  async #open(damage?: Error): Promise<void> {
    try {
      if (damage !== undefined) await this.#remove(damage)
      await this.#start()
    } catch (error) {
      if (damage === undefined && isDamage(error)) return await this.#open(error)
      const retry = () => {
        this.#opening = undefined
      }
      setTimeout(retry, RETRY_MS).unref()
      throw unavailable(error as Error)
    }
  }

  async #start(): Promise<void> {
    const { path, source } = this.#options
    const ready = Promise.withResolvers<readonly Row[][]>()
    this.#pending.set(OPENING, ready)
    // Also beside the chunk of a bundle that has this file.
    const thread = new URL(`./sqlite-thread${extname(import.meta.url)}`, import.meta.url)
    const worker = new Worker(thread, {
      workerData: { path, source } satisfies ThreadData,
      // Otherwise Node opens `process.stdout` for the thread and makes a pipe that is the log non-blocking, for all processes that have it.
      stdout: true,
      stderr: true,
    })
    this.#worker = worker
    worker.unref()
    worker.on('message', (answer: ThreadAnswer) => this.#answered(answer))
    worker.on('error', (error) => this.#ended(worker, error as Error))
    worker.on('exit', () => this.#ended(worker, new Error('the thread of the index has ended')))
    await ready.promise
  }

  #answered({ id, results, error, errorCode }: ThreadAnswer): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (results !== undefined) {
      pending?.resolve(results)
      return
    }
    const failure = Object.assign(new Error(error), { errcode: errorCode })
    pending?.reject(unavailable(failure))
    if (isDamage(failure)) this.#restart(failure)
  }

  #ended(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    if (!this.#pending.has(OPENING)) this.#opening = undefined
    for (const [id, { reject }] of this.#pending) reject(id === OPENING ? error : unavailable(error))
    this.#pending.clear()
  }

  #restart(damage: Error): void {
    const worker = this.#worker
    if (worker === undefined || this.#isClosed) return
    this.#ended(worker, damage)
    this.#opening = worker.terminate().then(() => this.#open(damage))
    this.#opening.catch(() => {})
  }

  async #remove(damage: Error): Promise<void> {
    const { path, log } = this.#options
    log.warn({ path, err: damage }, 'the index was damaged: it is removed and filled again')
    for (const end of ['', '-wal', '-shm']) await removeFile(`${path}${end}`)
  }
}

function requireVersion(version: string): void {
  const parts = version.split('.').map(Number)
  for (const [index, least] of MIN_VERSION.entries()) {
    const part = parts[index] ?? 0
    if (part > least) return
    if (part < least)
      throw new Error(`SQLite ${version} is too old for the index: it needs ${MIN_VERSION.join('.')}`)
  }
}

const CORRUPT = 11
const NOT_A_DATABASE = 26

function isDamage(error: unknown): error is Error {
  const code = (error as { errcode?: number }).errcode
  return code !== undefined && [CORRUPT, NOT_A_DATABASE].includes(code & 0xff)
}

function unavailable(cause: Error): RegistryError {
  return new RegistryError('UNAVAILABLE', { message: 'the index is not available', cause })
}
