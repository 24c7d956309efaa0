import { randomUUID } from 'node:crypto'
import type { FileVersion, StorageDriver } from '../storage-driver.ts'

/** A state and the version that it was read or written as. */
export interface Held<State> {
  readonly state: State
  readonly version: FileVersion
}

export interface SharedStateParts<State> {
  readonly storage: Pick<StorageDriver, 'getState' | 'swapState'>
  readonly path: string
  /** Parses the JSON of the state; gets undefined if the content is no JSON. */
  readonly parse: (found: unknown) => State
}

/** A small object on storage that several processes change by compare-and-swap. */
export class SharedState<State extends object> {
  readonly #storage: SharedStateParts<State>['storage']
  readonly #path: string
  readonly #parse: (found: unknown) => State

  constructor({ storage, path, parse }: SharedStateParts<State>) {
    this.#storage = storage
    this.#path = path
    this.#parse = parse
  }

  /** Reads the state. Undefined if none was written. */
  async get(): Promise<Held<State> | undefined> {
    const found = await this.#storage.getState(this.#path)
    return found && { state: this.#parse(jsonOf(found.content)), version: found.version }
  }

  /** Replaces the expected state. A nonce makes every state unique, also if versions are derived from the
   *  bytes; and if an answer was lost, it tells whether the stored state is this one.
   *  @param expected undefined if there is no state yet
   *  @returns the new version; undefined if the state has changed, and nothing is written then */
  async swap(state: State, expected: FileVersion | undefined): Promise<FileVersion | undefined> {
    const nonce = randomUUID()
    const content = Buffer.from(JSON.stringify({ ...state, nonce }))
    try {
      return await this.#storage.swapState(this.#path, content, expected)
    } catch (error) {
      const version = await this.#versionWith(nonce).catch(() => undefined)
      if (version === undefined) throw error
      return version
    }
  }

  async #versionWith(nonce: string): Promise<FileVersion | undefined> {
    const found = await this.#storage.getState(this.#path)
    const state = found && (jsonOf(found.content) as { nonce?: unknown } | null | undefined)
    return state?.nonce === nonce ? found?.version : undefined
  }
}

function jsonOf(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString())
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
