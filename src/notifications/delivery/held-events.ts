import { isPathNotFound } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import type { RegistryEvent } from '../event.ts'
import type { Position } from '../outbox/outbox-state.ts'
import { DEAD, folderOf, HELD, padded } from '../outbox/paths.ts'

/** An event that could not be delivered in time, and why. */
export interface DeadLetter {
  readonly endpoint: string
  readonly event: RegistryEvent
  /** Of the last attempt: a status, or what went wrong. */
  readonly reason: string
  /** RFC 3339. */
  readonly at: string
}

export interface StoredEvent {
  readonly path: string
  readonly event: RegistryEvent
}

/** The events of an endpoint that wait on storage, in order for each repository, so that those of others can go on; and those that
 *  were given up. */
export class HeldEvents {
  readonly #storage: Pick<StorageDriver, 'get' | 'put' | 'delete' | 'list'>
  readonly #endpoint: string
  readonly #held: string
  readonly #dead: string

  constructor(storage: Pick<StorageDriver, 'get' | 'put' | 'delete' | 'list'>, endpoint: string) {
    this.#storage = storage
    this.#endpoint = endpoint
    this.#held = `${HELD}/${folderOf(endpoint)}`
    this.#dead = `${DEAD}/${folderOf(endpoint)}`
  }

  /** The folders of repositories with events that wait. */
  async *repositories(): AsyncIterable<string> {
    for await (const { name } of this.#storage.list(this.#held)) yield name
  }

  async add(event: RegistryEvent, { segment, index }: Position): Promise<StoredEvent> {
    const path = `${this.#held}/${folderOf(event.target.repository)}/${padded(segment)}-${padded(index)}`
    await this.#storage.put(path, encode(event))
    return { path, event }
  }

  /** The event that is next in a repository's folder. */
  async first(folder: string): Promise<StoredEvent | undefined> {
    for await (const { name } of this.#storage.list(`${this.#held}/${folder}`)) {
      const path = `${this.#held}/${folder}/${name}`
      const event = await this.#read<RegistryEvent>(path)
      if (event !== undefined) return { path, event }
    }
    return undefined
  }

  async remove({ path }: StoredEvent): Promise<void> {
    await this.#storage.delete(path, { durable: false })
  }

  async removeFolder(folder: string): Promise<void> {
    await this.#storage.delete(`${this.#held}/${folder}`, { durable: false })
  }

  async removeAll(): Promise<void> {
    await this.#storage.delete(this.#held)
  }

  async bury(event: RegistryEvent, reason: string): Promise<void> {
    const letter: DeadLetter = { endpoint: this.#endpoint, event, reason, at: new Date().toISOString() }
    await this.#storage.put(`${this.#dead}/${Date.now()}-${event.id}`, encode(letter))
  }

  /** Puts a dead letter in front of what waits for its repository. */
  async revive(name: string): Promise<void> {
    const path = `${this.#dead}/${name}`
    const letter = await this.#read<DeadLetter>(path)
    if (letter === undefined) return
    const folder = folderOf(letter.event.target.repository)
    await this.#storage.put(`${this.#held}/${folder}/${padded(0)}-${name}`, encode(letter.event))
    await this.#storage.delete(path)
  }

  async *dead(): AsyncIterable<DeadLetter & { readonly name: string }> {
    for await (const { name } of this.#storage.list(this.#dead)) {
      const letter = await this.#read<DeadLetter>(`${this.#dead}/${name}`)
      if (letter !== undefined) yield { ...letter, name }
    }
  }

  async removeDead(name: string): Promise<void> {
    await this.#storage.delete(`${this.#dead}/${name}`)
  }

  async #read<Content>(path: string): Promise<Content | undefined> {
    try {
      return JSON.parse(Buffer.from(await this.#storage.get(path)).toString()) as Content
    } catch (error) {
      if (isPathNotFound(error) || error instanceof SyntaxError) return undefined
      throw error
    }
  }
}

function encode(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}
