import cluster from 'node:cluster'
import type { Locks } from '../core/coordination/locks.ts'
import type { Invalidation, Peers } from '../core/coordination/peers.ts'
import { RegistryError } from '../core/errors.ts'
import { type Question, type Snapshot, type ToSupervisor, type ToWorker, unwrap } from './messages.ts'

interface Asked {
  resolve(answer: boolean): void
  reject(error: Error): void
}

/** A worker's end of the channel to the supervisor, and through it to the other workers. */
export class SupervisorChannel implements Locks, Peers {
  /** This worker's number; no other worker of the same supervisor ever has it. */
  readonly id: number
  /** Fulfilled when the worker is to come to its end, with the reason. */
  readonly ending: Promise<'told to' | 'supervisor gone'>
  readonly #asked = new Map<number, Asked>()
  readonly #begun: Promise<unknown>
  #begin: (tree: unknown) => void = () => {}
  #end: (reason: 'told to' | 'supervisor gone') => void = () => {}
  #apply: (invalidation: Invalidation) => Promise<void> = async () => {}
  #measure: () => Promise<Snapshot> = async () => []
  #renew: ((tree: unknown) => void) | undefined
  /** What came before somebody wanted it. */
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
      // Without this mark node:cluster would end the process at once, and with it the requests that run.
      worker.exitedAfterDisconnect = true
      this.#loseSupervisor()
    })
    // Something could not be written to the supervisor.
    worker.on('error', () => this.#loseSupervisor())
    if (!process.connected) this.#loseSupervisor()
  }

  /** Undefined in a process that no supervisor has started. */
  static open(): SupervisorChannel | undefined {
    return cluster.worker === undefined ? undefined : new SupervisorChannel(cluster.worker)
  }

  /** Joins the others: from then on it is told what they are told; until then it knows nothing that could be wrong.
   *  @returns what its configuration is made from; never fulfilled when there is no supervisor any more */
  join(): Promise<unknown> {
    this.#send({ kind: 'ready' })
    return this.#begun
  }

  listening(address: string): void {
    this.#send({ kind: 'listening', address })
  }

  /** Fulfilled when it has been said that the worker can't serve, and why. */
  failed(message: string): Promise<void> {
    return new Promise((resolve) => this.#send({ kind: 'failed', message }, resolve))
  }

  async publish(invalidation: Invalidation): Promise<void> {
    await this.#ask({ kind: 'publish', invalidation })
  }

  subscribe(apply: (invalidation: Invalidation) => Promise<void>): void {
    this.#apply = apply
  }

  /** @param measure says what this process has measured, whenever it is asked; called once */
  whenMeasured(measure: () => Promise<Snapshot>): void {
    this.#measure = measure
  }

  /** @param renew takes what it can of another configuration, by what that is made from; called once */
  whenRenewed(renew: (tree: unknown) => void): void {
    this.#renew = renew
    if (this.#renewed !== undefined) renew(this.#renewed.tree)
  }

  /** @param reopen begins files anew that were moved away; called once */
  whenToReopenLogs(reopen: () => void): void {
    this.#reopenLogs = reopen
  }

  acquire(name: string): Promise<boolean> {
    return this.#ask({ kind: 'acquire', name })
  }

  /** Without the supervisor nobody else can have it anyway. */
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

  /** If it can't be applied, the process ends with the error: better no worker than one that serves deleted content. */
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

  /** What can't be sent has no supervisor to go to: `disconnect` tells. */
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
