import { expect } from 'vitest'
import { type Random, seededRandom } from '../support/random.ts'
import type { RegistryClient } from '../support/registry-client.ts'
import { Ledger } from './ledger.ts'
import { expectKept, expectResumable } from './promises.ts'
import { type AcknowledgedPush, Pusher, type PusherContext } from './pusher.ts'

export interface FleetOptions<Client extends RegistryClient> extends Pick<PusherContext, 'chunked'> {
  readonly seed: string
  /** One of each pusher. */
  readonly clients: readonly Client[]
  /** Waited for by the pusher when an image of its own has been acknowledged. */
  pushed?(push: AcknowledgedPush, client: Client): Promise<void>
}

/** All pushers with what they were promised. */
export class Fleet<Client extends RegistryClient = RegistryClient> {
  readonly random: Random
  /** Of the repository that all write to. */
  readonly shared = new Ledger('crash/shared')
  acknowledgements = 0
  readonly #ledgers: Ledger[]
  #pushers: Pusher[]
  #waitFor = 0
  #enough: () => void = () => {}

  constructor({ seed, clients, pushed, ...rest }: FleetOptions<Client>) {
    this.random = seededRandom(seed)
    const commonLayers = Array.from({ length: 4 }, () => this.random.bytes(200_000))
    const own = clients.map((_, number) => new Ledger(`crash/own-${number}`))
    this.#ledgers = [...own, this.shared]
    this.#pushers = clients.map(
      (client, number) =>
        new Pusher({
          ...rest,
          ...{ client, commonLayers, shared: this.shared, own: own[number] as Ledger },
          random: seededRandom(`${seed} ${number}`),
          acknowledged: () => this.#acknowledged(),
          pushed: async (push) => pushed?.(push, client),
        }),
    )
  }

  /** Resolves when a random number of requests, up to `max`, has been acknowledged from now on. */
  enoughAcknowledged(max: number): Promise<void> {
    this.#waitFor = this.acknowledgements + 1 + this.random.below(max)
    return new Promise((resolve) => {
      this.#enough = resolve
    })
  }

  /** Until the client's registry is gone. */
  async pushUntilGone(client: RegistryClient): Promise<void> {
    this.#pushers = this.#pushers.map((pusher) => pusher.at(client))
    await Promise.all(this.#pushers.map((pusher) => pusher.pushUntilGone()))
  }

  /** Until they are stopped; what was begun is brought to its end. */
  async pushUntil(stopped: AbortSignal): Promise<void> {
    const push = async (pusher: Pusher) => {
      while (!stopped.aborted) await pusher.pushOnce()
    }
    await Promise.all(this.#pushers.map(push))
  }

  async expectPromisesKept(client: RegistryClient, { everything }: { everything: boolean }): Promise<void> {
    for (const ledger of this.#ledgers) {
      await expectResumable(ledger, client)
      await expectKept(ledger, { client, everything })
    }
    expect((await client.catalog()).filter((name) => !name.startsWith('crash/'))).toEqual([])
  }

  #acknowledged(): void {
    this.acknowledgements++
    if (this.acknowledgements >= this.#waitFor) this.#enough()
  }
}
