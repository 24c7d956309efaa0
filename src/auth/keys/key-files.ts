import { createHmac, hash, hkdfSync, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import { ACTIONS } from '../../core/access/access-controller.ts'
import { isPlainRepositoryGlob } from '../../core/access/repository-glob.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { KeyReservations } from './key-reservations.ts'

const fields = z.strictObject({
  user: z.string(),
  source: z.enum(['password', 'provider']),
  /** Those of the login that the key was made with. */
  groups: z.array(z.string()),
  /** Must still equal the account's stamp. */
  stamp: z.string(),
  name: z.string(),
  repositories: z.array(z.string().refine(isPlainRepositoryGlob)),
  actions: z.array(z.enum([...ACTIONS, '*'])),
  /** SHA-256 of the secret, in hexadecimal. A secret of 256 random bits needs no slow hash. */
  secret: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
})

const file = z.object({ key: fields, mac: z.string() })
const used = z.object({ at: z.iso.datetime() })

/** A key as it is stored. */
export type KeyRecord = z.output<typeof fields>

/** Names a key. */
export interface KeyPlace {
  readonly user: string
  readonly id: string
}

/** Distribution ignores this folder.
 *
 *  ```
 *  /docker/registry/v2/keys/<SHA-256 of the user>
 *  ├── reserved    a state: the names of keys that are being made
 *  └── <id>
 *      ├── key     a state that is created once: the key
 *      └── used    when it was used last
 *  ``` */
const KEYS = '/docker/registry/v2/keys'

/** The keys of people on storage. Each has a message authentication code: whoever can write to storage, but does not
 *  know the registry's secret, can make no key and give none more rights. */
export class KeyFiles {
  readonly #storage: StorageDriver
  readonly #macKey: Uint8Array

  /** @param secret the same in all replicas */
  constructor(storage: StorageDriver, secret: string) {
    this.#storage = storage
    this.#macKey = new Uint8Array(hkdfSync('sha256', secret, '', 'entrepot personal keys', 32))
  }

  reservations(user: string): KeyReservations {
    return new KeyReservations(this.#storage, `${userFolder(user)}/reserved`)
  }

  /** Undefined if there is no such key, or it was not written by this registry. */
  async read(place: KeyPlace): Promise<KeyRecord | undefined> {
    const found = await this.#storage.getState(`${folderOf(place)}/key`)
    const parsed = file.safeParse(found && jsonOf(found.content))
    if (!parsed.success) return undefined
    const { key, mac } = parsed.data
    const isOurs = isSame(mac, this.#macOf(place, key))
    return isOurs && key.user === place.user ? key : undefined
  }

  /** Never replaces a key. */
  async create(place: KeyPlace, key: KeyRecord): Promise<void> {
    const content = Buffer.from(JSON.stringify({ key, mac: this.#macOf(place, key) }))
    const version = await this.#storage.swapState(`${folderOf(place)}/key`, content, undefined)
    if (version === undefined) throw new Error('a key with this random name exists already')
  }

  async remove(place: KeyPlace): Promise<void> {
    await this.#storage.delete(`${folderOf(place)}/key`)
    await this.#storage.delete(folderOf(place))
  }

  /** The names of a user's keys. */
  async names(user: string): Promise<string[]> {
    const names: string[] = []
    for await (const { name } of this.#storage.list(userFolder(user))) names.push(name)
    return names
  }

  async lastUse(place: KeyPlace): Promise<Date | null> {
    try {
      const parsed = used.safeParse(jsonOf(await this.#storage.get(`${folderOf(place)}/used`)))
      return parsed.success ? new Date(parsed.data.at) : null
    } catch (error) {
      if (isPathNotFound(error)) return null
      throw error
    }
  }

  async noteUse(place: KeyPlace, at: Date): Promise<void> {
    const content = Buffer.from(JSON.stringify({ at: at.toISOString() }))
    await this.#storage.put(`${folderOf(place)}/used`, content, { durable: false })
  }

  #macOf({ user, id }: KeyPlace, key: KeyRecord): string {
    const text = JSON.stringify([
      user,
      id,
      ...Object.keys(fields.shape).map((name) => key[name as keyof KeyRecord]),
    ])
    return createHmac('sha256', this.#macKey).update(text).digest('hex')
  }
}

function userFolder(user: string): string {
  return `${KEYS}/${hash('sha256', user)}`
}

function folderOf({ user, id }: KeyPlace): string {
  return `${userFolder(user)}/${id}`
}

export function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function jsonOf(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString())
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
