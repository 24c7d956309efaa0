import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type Random, seededRandom } from '../support/random.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { startRegistry } from '../support/registry-under-test.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Ledger } from './ledger.ts'
import { LinkCheck } from './links.ts'
import { expectKept, expectResumable } from './promises.ts'
import { Pusher } from './pusher.ts'

const rounds = Number(process.env.CRASH_ROUNDS ?? 100)
const seed = process.env.CRASH_SEED ?? String(Date.now())
const pusherCount = 6
const maxAcknowledgementsBeforeKill = 60
const maxMillisecondsBeforeKill = 15

test(`${rounds} kills during pushes lose nothing that was acknowledged`, {
  timeout: rounds * 20_000,
}, async () => {
  process.stdout.write(`\nCRASH_SEED=${seed} CRASH_ROUNDS=${rounds}\n`)
  await using folder = await temporaryFolder()
  const dataFolder = join(folder.path, 'data')
  const start = () => startRegistry({ dataFolder, configFolder: folder.path })
  const links = new LinkCheck(dataFolder)
  const fleet = new Fleet(seededRandom(seed))

  for (let round = 1; round <= rounds; round++) {
    await killedWhilePushing(await start(), fleet)
    await links.expectSound()
    await using server = await start()
    await fleet.expectPromisesKept(new RegistryClient(server.url), { everything: round === rounds })
  }
  links.readAgain()
  await links.expectSound()
  process.stdout.write(`${fleet.acknowledgements} acknowledgements in ${rounds} rounds\n`)
})

async function killedWhilePushing(server: ServerProcess, fleet: Fleet): Promise<void> {
  const pushing = fleet.pushUntilGone(new RegistryClient(server.url))
  try {
    await Promise.race([fleet.enoughAcknowledged(), pushing])
    await pause(fleet.random.below(maxMillisecondsBeforeKill))
  } finally {
    await server.kill()
  }
  await pushing
}

/** All pushers with what they were promised. */
class Fleet {
  readonly random: Random
  acknowledgements = 0
  readonly #ledgers: Ledger[]
  #pushers: Pusher[]
  #waitFor = 0
  #enough: () => void = () => {}

  constructor(random: Random) {
    this.random = random
    const shared = new Ledger('crash/shared')
    const own = Array.from({ length: pusherCount }, (_, number) => new Ledger(`crash/own-${number}`))
    const commonLayers = Array.from({ length: 4 }, () => random.bytes(200_000))
    const nowhere = new RegistryClient('http://127.0.0.1:9')
    this.#ledgers = [...own, shared]
    this.#pushers = own.map((ledger, number) => {
      const acknowledged = () => this.#acknowledged()
      const ownRandom = seededRandom(`${seed} ${number}`)
      return new Pusher({
        client: nowhere,
        random: ownRandom,
        own: ledger,
        shared,
        commonLayers,
        acknowledged,
      })
    })
  }

  /** Resolves when a random number of requests has been acknowledged from now on. */
  enoughAcknowledged(): Promise<void> {
    this.#waitFor = this.acknowledgements + 1 + this.random.below(maxAcknowledgementsBeforeKill)
    return new Promise((resolve) => {
      this.#enough = resolve
    })
  }

  async pushUntilGone(client: RegistryClient): Promise<void> {
    this.#pushers = this.#pushers.map((pusher) => pusher.at(client))
    await Promise.all(this.#pushers.map((pusher) => pusher.pushUntilGone()))
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
