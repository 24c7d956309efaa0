import type { Random } from '../../support/random.ts'
import { AttackedUpload } from './attacked-upload.ts'
import { ATTACKS } from './attacks.ts'
import { Game, type Surroundings } from './game.ts'

/** Somebody who may push to one repository, and wants others to get wrong bytes. */
export class Poisoner {
  readonly #repository: string
  readonly #random: Random
  readonly #around: Surroundings

  constructor(number: number, { random, around }: { random: Random; around: Surroundings }) {
    this.#repository = `race/evil-${number}`
    this.#random = random
    this.#around = around
  }

  async attackUntil(stopped: AbortSignal): Promise<void> {
    for (let round = 1; !stopped.aborted; round++) await this.#attack(round)
  }

  async #attack(round: number): Promise<void> {
    const [name, attack] = this.#random.pick(Object.entries(ATTACKS))
    const target = this.#around.targets.make(this.#repository, this.#random)
    const title = `${name} ${round} of ${this.#repository}, ${target.good.length} bytes`
    const game = new Game(title, { random: this.#random, around: this.#around })
    const upload = await AttackedUpload.begin(game, this.#repository)
    if (upload === undefined) return
    await attack(upload, target)
    await upload.expectNeverWrong()
  }
}
