import { MemoryDriver } from '../../src/storage/memory.ts'

/** A driver whose looks and small reads wait, while it holds them, until they are released. */
export class HeldDriver extends MemoryDriver {
  readonly #gate = Promise.withResolvers<void>()
  isHolding: boolean
  waiting = 0

  constructor({ isHolding = true } = {}) {
    super()
    this.isHolding = isHolding
  }

  release(): void {
    this.#gate.resolve()
  }

  override async stat(...parameters: Parameters<MemoryDriver['stat']>) {
    await this.#hold()
    return super.stat(...parameters)
  }

  override async get(...parameters: Parameters<MemoryDriver['get']>) {
    await this.#hold()
    return super.get(...parameters)
  }

  async #hold(): Promise<void> {
    if (!this.isHolding) return
    this.waiting++
    await this.#gate.promise
  }
}
