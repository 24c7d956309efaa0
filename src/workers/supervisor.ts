import cluster, { type Worker } from 'node:cluster'
import type { Locks } from '../core/coordination/locks.ts'
import type { Log } from '../core/log.ts'
import { closeHandleOnExit } from './handle-cleanup.ts'
import { Liveness } from './liveness.ts'
import { type Snapshot, type ToSupervisor, type ToWorker, unwrap } from './messages.ts'
import { MetricsCollector } from './metrics-collector.ts'
import { delayBefore } from './restart-delay.ts'
import { WorkerHub } from './worker-hub.ts'

export interface SupervisorOptions {
  /** Number of workers. */
  count: number
  /** The command line that starts a worker. */
  command: readonly string[]
  /** The configuration tree of the workers: plain data. */
  tree: unknown
  log: Log
}

/** Starts the workers, replaces those that end, and connects them. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #hub = new WorkerHub()
  readonly #metrics = new MetricsCollector<Snapshot>()
  readonly #liveness = new Liveness({
    ask: (id) => this.#withWorker(id, (worker) => send(worker, { kind: 'areYouThere' })),
    onSilent: (id) => this.#withWorker(id, (worker) => this.#endSilent(worker)),
  })
  readonly #workers = new Map<number, Worker>()
  readonly #restarts = new Set<NodeJS.Timeout>()
  readonly #listening = new Set<number>()
  readonly #started: Promise<string>
  #onListening: (address: string) => void = () => {}
  #onFailure: (error: Error) => void = () => {}
  #tree: unknown
  #phase: 'starting' | 'serving' | 'stopping' = 'starting'
  #onAllGone = () => {}

  private constructor(options: SupervisorOptions) {
    this.#options = options
    this.#tree = options.tree
    this.#started = new Promise((resolve, reject) => {
      this.#onListening = resolve
      this.#onFailure = reject
    })
  }

  /** Starts the workers. Resolves once all of them listen.
   *  @throws Error of the first worker that can't; the others are ended then */
  static async start(options: SupervisorOptions): Promise<{ supervisor: Supervisor; address: string }> {
    const supervisor = new Supervisor(options)
    cluster.schedulingPolicy = cluster.SCHED_RR
    cluster.setupPrimary({ args: [...options.command] })
    for (let count = 0; count < options.count; count++) supervisor.#startWorker(0)
    try {
      const address = await supervisor.#started
      supervisor.#phase = 'serving'
      return { supervisor, address }
    } catch (error) {
      await supervisor.abort()
      throw error
    }
  }

  /** Locks among the workers and the supervisor's own process. */
  get locks(): Locks {
    return this.#hub.locks
  }

  /** The metrics of each listening worker, by its number; undefined if it did not answer. */
  async snapshots(): Promise<Map<number, Snapshot | undefined>> {
    const listening = [...this.#workers.values()].filter(({ id }) => this.#listening.has(id))
    return new Map(
      await Promise.all(
        listening.map(async (worker) => {
          const asked = this.#metrics.ask((id) => send(worker, { kind: 'measure', id }))
          return [worker.id, await asked] as const
        }),
      ),
    )
  }

  /** Sends a reloaded configuration to the workers; later ones start with it. */
  renew(tree: unknown): void {
    this.#tree = tree
    for (const worker of this.#workers.values()) send(worker, { kind: 'renew', tree })
  }

  /** Makes the workers reopen files that were rotated. */
  reopenLogs(): void {
    for (const worker of this.#workers.values()) send(worker, { kind: 'reopenLogs' })
  }

  /** Drains the workers. Those that take longer than `patienceMs` are ended.
   *  @throws Error if one had to be ended */
  async close(patienceMs: number): Promise<void> {
    this.#stop()
    for (const worker of this.#workers.values()) send(worker, { kind: 'drain' })
    let late: number[] = []
    const patience = setTimeout(
      () => {
        late = [...this.#workers.keys()]
        this.kill()
      },
      Math.min(patienceMs, MAX_TIMER_MS),
    )
    await this.#allGone()
    clearTimeout(patience)
    if (late.length > 0) throw new Error(`workers that did not end in time: ${late.join(', ')}`)
  }

  /** Ends all workers; resolves once they have ended. */
  async abort(): Promise<void> {
    this.kill()
    await this.#allGone()
  }

  /** Ends all workers at once. */
  kill(): void {
    this.#stop()
    for (const worker of this.#workers.values()) worker.process.kill('SIGKILL')
  }

  #stop(): void {
    this.#phase = 'stopping'
    this.#liveness.stop()
    for (const timer of this.#restarts) clearTimeout(timer)
  }

  async #allGone(): Promise<void> {
    if (this.#workers.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onAllGone = resolve
    })
  }

  /** Starts a worker.
   *  @param failures number of workers in this slot that have ended soon after their start */
  #startWorker(failures: number): void {
    const startedAt = performance.now()
    const worker = cluster.fork()
    this.#workers.set(worker.id, worker)
    closeHandleOnExit(worker)
    const ended = (fields: object) =>
      this.#ended(worker, { fields, failures, livedMs: performance.now() - startedAt })
    worker.on('message', (received) => this.#receive(worker, unwrap<ToSupervisor>(received)))
    worker.on('exit', (code, signal) => ended({ code, signal }))
    worker.on('error', (err) => {
      // A worker that could not be created has no exit event.
      if (worker.process.pid === undefined) ended({ err })
    })
  }

  #receive(worker: Worker, message: ToSupervisor | undefined): void {
    switch (message?.kind) {
      case 'ready':
        this.#join(worker)
        break
      case 'listening':
        this.#listens(worker, message.address)
        break
      case 'failed':
        this.#failed(worker, message.message)
        break
      case 'ask':
        this.#hub.ask(worker.id, message)
        break
      case 'acknowledged':
        this.#hub.acknowledge(worker.id, message.id)
        break
      case 'measured':
        this.#metrics.answered(message.id, message.snapshot)
        break
      case 'alive':
        this.#liveness.answered(worker.id)
    }
  }

  #failed(worker: Worker, reason: string): void {
    if (this.#phase === 'starting') this.#onFailure(new Error(reason))
    else if (this.#phase === 'serving')
      this.#options.log.error({ worker: worker.id, reason }, 'a worker cannot serve')
  }

  /** Adds the worker to the hub before its cache can have entries, so that it misses no invalidation. */
  #join(worker: Worker): void {
    const { id } = worker
    this.#hub.join({
      id,
      send: (message) => send(worker, message),
      terminate: () => this.#endSilent(worker),
    })
    send(worker, { kind: 'begin', tree: this.#tree })
    if (this.#phase === 'stopping') send(worker, { kind: 'drain' })
  }

  /** Ends a worker that hangs; it is replaced. */
  #endSilent(worker: Worker): void {
    this.#options.log.error({ worker: worker.id }, 'a worker does not answer and was ended')
    worker.process.kill('SIGKILL')
  }

  #withWorker(id: number, work: (worker: Worker) => void): void {
    const worker = this.#workers.get(id)
    if (worker !== undefined) work(worker)
  }

  #listens(worker: Worker, address: string): void {
    this.#liveness.watch(worker.id)
    this.#options.log.info({ worker: worker.id, workerPid: worker.process.pid }, 'a worker listens')
    this.#listening.add(worker.id)
    if (this.#listening.size === this.#options.count) this.#onListening(address)
  }

  #ended(
    worker: Worker,
    { fields, failures, livedMs }: { fields: object; failures: number; livedMs: number },
  ): void {
    this.#workers.delete(worker.id)
    this.#listening.delete(worker.id)
    this.#liveness.forget(worker.id)
    this.#hub.leave(worker.id)
    if (this.#phase === 'starting') this.#onFailure(new Error('a worker ended before it listened'))
    if (this.#phase === 'serving') this.#replace(worker, { fields, failures, livedMs })
    if (this.#workers.size === 0) this.#onAllGone()
  }

  #replace(
    worker: Worker,
    { fields, failures, livedMs }: { fields: object; failures: number; livedMs: number },
  ): void {
    const next = delayBefore({ failures, livedMs })
    this.#options.log.error(
      { worker: worker.id, ...fields, restartMs: next.delayMs },
      'a worker has ended; another takes its place',
    )
    const timer = setTimeout(() => {
      this.#restarts.delete(timer)
      this.#startWorker(next.failures)
    }, next.delayMs)
    this.#restarts.add(timer)
  }
}

/** Limit of setTimeout. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Ignored if the worker is ending: its exit event follows. */
function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send({ entrepot: message }, undefined, undefined, () => {})
}
