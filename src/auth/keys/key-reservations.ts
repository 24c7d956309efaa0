import * as z from 'zod'
import { type Held, SharedState } from '../../core/coordination/shared-state.ts'
import { StorageError } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'

const state = z.object({ keys: z.array(z.object({ id: z.string(), at: z.number() })) })

/** The names of keys that are being made, with the time in milliseconds. */
export type Reserved = z.output<typeof state>

/** One that is older belongs to a process that has ended before it wrote its key. */
const MAX_AGE_MS = 600_000

/** Keys of a user that are being made: processes see those of each other, so that together they keep to the limit. */
export class KeyReservations {
  readonly #state: SharedState<Reserved>

  constructor(storage: StorageDriver, path: string) {
    this.#state = new SharedState({ storage, path, parse })
  }

  /** To be read before the keys are listed: whoever writes a key takes its reservation away afterwards. */
  async read(): Promise<Held<Reserved> | undefined> {
    const held = await this.#state.get()
    return held && { ...held, state: withoutOld(held.state) }
  }

  /** @returns false if another process has reserved one meanwhile */
  async add(id: string, held: Held<Reserved> | undefined): Promise<boolean> {
    const keys = [...(held?.state.keys ?? []), { id, at: Date.now() }]
    return (await this.#state.swap({ keys }, held?.version)) !== undefined
  }

  /** One that can't be removed ends by its age. */
  async remove(id: string): Promise<void> {
    try {
      for (let held = await this.read(); held !== undefined; held = await this.read()) {
        const keys = held.state.keys.filter((key) => key.id !== id)
        if ((await this.#state.swap({ keys }, held.version)) !== undefined) return
      }
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
    }
  }
}

/** What is malformed reserves nothing. */
function parse(found: unknown): Reserved {
  const parsed = state.safeParse(found)
  return parsed.success ? { keys: parsed.data.keys } : { keys: [] }
}

function withoutOld({ keys }: Reserved): Reserved {
  const oldest = Date.now() - MAX_AGE_MS
  return { keys: keys.filter(({ at }) => at > oldest) }
}
