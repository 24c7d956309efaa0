import cluster from 'node:cluster'
import type { Locks } from '../core/coordination/locks.ts'
import type { Invalidation, Peers } from '../core/coordination/peers.ts'
import { RegistryError } from '../core/errors.ts'
import { type Question, type Snapshot, type ToSupervisor, type ToWorker, unwrap } from './messages.ts'

interface Asked {
  resolve(answer: boolean): void
  reject(error: Error): void
}

/** A worker's channel to the supervisor, and through it to the other workers. */
export class SupervisorChannel implements Locks, Peers {
  /** This worker's number, unique for the life of the supervisor. */
  readonly id: number
  /** Resolves to the reason when the worker must end. */
  readonly ending: Promise<'told to' | 'supervisor gone'>
  readonly #asked = new Map<number, Asked>()
  readonly #begun: Promise<unknown>
  #begin: (tree: unknown) => void = () => {}
  #end: (reason: 'told to' | 'supervisor gone') => void = () => {}
  #apply: (invalidation: Invalidation) => Promise<void> = async () => {}
  #measure: () => Promise<Snapshot> = async () => []
  #renew: ((tree: unknown) => void) | undefined
  /** Messages that arrived before there was a handler. */
  #renewed: { tree: unknown } | undefined
  #reopenLogs: () => void = () => {}
  #lastQuestion = 0
  #isGone = false

  private constructor(worker: NonNullable<typeof cluster.worker>) {
    this.id = worker.id
    this.#begun = new Promise((resolve) => {
      this.#begin = resolve
    })
    this.ending = new Promise((resolve) => {
      this.#end = resolve
    })
    process.on('message', (received) => this.#receive(unwrap<ToWorker>(received)))
    worker.once('disconnect', () => {
      // Otherwise node:cluster would end the process at once, with its running requests.
      worker.exitedAfterDisconnect = true
      this.#loseSupervisor()
    })
    // A message could not be sent to the supervisor.
    worker.on('error', () => this.#loseSupervisor())
    if (!process.connected) this.#loseSupervisor()
  }

  /** Opens the channel. Undefined in a process that is no worker. */
  static open(): SupervisorChannel | undefined {
    return cluster.worker === undefined ? undefined : new SupervisorChannel(cluster.worker)
  }

  /** Joins the other workers: from then on this one receives invalidations; before, its cache is empty.
   *  @returns the configuration tree; pending for ever if the supervisor has ended */
  join(): Promise<unknown> {
    this.#send({ kind: 'ready' })
    return this.#begun
  }

  listening(address: string): void {
    this.#send({ kind: 'listening', address })
  }

  /** Reports that the worker can't serve. Resolves once that is sent. */
  failed(message: string): Promise<void> {
    return new Promise((resolve) => this.#send({ kind: 'failed', message }, resolve))
  }

  async publish(invalidation: Invalidation): Promise<void> {
    await this.#ask({ kind: 'publish', invalidation })
  }

  subscribe(apply: (invalidation: Invalidation) => Promise<void>): void {
    this.#apply = apply
  }

  /** Sets the source of metrics; called once.
   *  @param measure returns this process's metrics */
  whenMeasured(measure: () => Promise<Snapshot>): void {
    this.#measure = measure
  }

  /** Sets the handler of reloads; called once.
   *  @param renew applies what it can of another configuration's tree */
  whenRenewed(renew: (tree: unknown) => void): void {
    this.#renew = renew
    if (this.#renewed !== undefined) renew(this.#renewed.tree)
  }

  /** Sets the handler that reopens log files; called once.
   *  @param reopen reopens files that were rotated */
  whenToReopenLogs(reopen: () => void): void {
    this.#reopenLogs = reopen
  }

  acquire(name: string): Promise<boolean> {
    return this.#ask({ kind: 'acquire', name })
  }

  /** If the supervisor has ended, no other process can hold the lock anyway. */
  async release(name: string): Promise<void> {
    if (!this.#isGone) await this.#ask({ kind: 'release', name }).catch(ignoreUnavailable)
  }

  #ask(question: Question): Promise<boolean> {
    if (this.#isGone) return Promise.reject(supervisorGone())
    this.#lastQuestion += 1
    const id = this.#lastQuestion
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      this.#send({ kind: 'ask', id, question })
    })
  }

  #receive(message: ToWorker | undefined): void {
    switch (message?.kind) {
      case 'begin':
        this.#begin(message.tree)
        break
      case 'drain':
        this.#end('told to')
        break
      case 'renew':
        this.#renewed = { tree: message.tree }
        this.#renew?.(message.tree)
        break
      case 'areYouThere':
        this.#send({ kind: 'alive' })
        break
      case 'reopenLogs':
        this.#reopenLogs()
        break
      case 'answer':
        this.#asked.get(message.id)?.resolve(message.answer)
        this.#asked.delete(message.id)
        break
      case 'invalidation':
        this.#applyInvalidation(message)
        break
      case 'measure':
        this.#sayMeasured(message.id)
    }
  }

  /** Applies an invalidation. If that fails the process ends: no worker is better than one that serves
   *  deleted content. */
  async #applyInvalidation({ id, invalidation }: { id: number; invalidation: Invalidation }): Promise<void> {
    await this.#apply(invalidation)
    this.#send({ kind: 'acknowledged', id })
  }

  async #sayMeasured(id: number): Promise<void> {
    this.#send({ kind: 'measured', id, snapshot: await this.#measure() })
  }

  #loseSupervisor(): void {
    this.#isGone = true
    for (const { reject } of this.#asked.values()) reject(supervisorGone())
    this.#asked.clear()
    this.#end('supervisor gone')
  }

  /** Sends a message. Errors are reported by the event `disconnect`. */
  #send(message: ToSupervisor, sent: () => void = () => {}): void {
    if (process.connected) process.send?.({ entrepot: message }, undefined, undefined, () => sent())
    else sent()
  }
}

function supervisorGone(): RegistryError {
  return new RegistryError('UNAVAILABLE', { message: 'the registry is stopping' })
}

function ignoreUnavailable(error: unknown): void {
  if (!(error instanceof RegistryError) || error.code !== 'UNAVAILABLE') throw error
}
