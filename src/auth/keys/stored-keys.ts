import { hash } from 'node:crypto'
import pLimit from 'p-limit'
import type { PersonalKey, PersonalKeys, WantedKey } from '../../core/access/personal-keys.ts'
import type { Person } from '../../core/access/sessions.ts'
import { RegistryError } from '../../core/errors.ts'
import type { KeyFiles, KeyPlace, KeyRecord } from './key-files.ts'
import type { KeyReservations } from './key-reservations.ts'
import { isKeyId, newKey } from './key-secret.ts'

export interface StoredKeysParts {
  readonly files: KeyFiles
  readonly maxLifetimeMs: number
  /** The stamp of a user with a password. Undefined if there is no such user. */
  readonly stampOf: (user: string) => string | undefined
  /** Called when a key was revoked. */
  readonly onRevoked: (place: KeyPlace) => void
}

interface Reservation {
  readonly user: string
  readonly reservations: KeyReservations
}

/** Those that have not expired. */
const MAX_KEYS = 50

/** The keys of people, as their owners manage them. */
export class StoredKeys implements PersonalKeys {
  readonly #parts: StoredKeysParts
  readonly #oneByOne = pLimit(1)

  constructor(parts: StoredKeysParts) {
    this.#parts = parts
  }

  get maxLifetimeMs(): number {
    return this.#parts.maxLifetimeMs
  }

  ownerOf(name: string): Person | undefined {
    const stamp = this.#parts.stampOf(name)
    return stamp === undefined ? undefined : { source: 'password', name, groups: [], stamp }
  }

  async list({ name: user }: Person): Promise<readonly PersonalKey[]> {
    const { files } = this.#parts
    const names = (await files.names(user)).filter(isKeyId)
    const keys = await Promise.all(names.map(async (id) => [id, await files.read({ user, id })] as const))
    const stored = keys.flatMap(([id, key]) => (key === undefined ? [] : [{ id, key }]))
    const listed = stored.map(async ({ id, key }) => shown(id, key, await files.lastUse({ user, id })))
    return (await Promise.all(listed)).sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
  }

  async create(owner: Person, wanted: WantedKey): Promise<{ key: PersonalKey; secret: string }> {
    const { id, secret } = newKey()
    const reservations = this.#parts.files.reservations(owner.name)
    await this.#removeExpired(owner)
    await this.#oneByOne(() => this.#reserve(id, { user: owner.name, reservations }))
    try {
      return { key: await this.#store(owner, { id, secret, wanted }), secret }
    } finally {
      await reservations.remove(id)
    }
  }

  async #store(
    owner: Person,
    { id, secret, wanted }: { id: string; secret: string; wanted: WantedKey },
  ): Promise<PersonalKey> {
    const now = Date.now()
    const { name, repositories, actions, lifetimeMs } = wanted
    const key: KeyRecord = {
      ...{ user: owner.name, source: owner.source, groups: [...owner.groups], stamp: owner.stamp },
      ...{ name, repositories: [...repositories], actions: [...actions], secret: hash('sha256', secret) },
      createdAt: new Date(now).toISOString(),
      expiresAt: new Date(now + Math.min(lifetimeMs, this.maxLifetimeMs)).toISOString(),
    }
    await this.#parts.files.create({ user: owner.name, id }, key)
    return shown(id, key, null)
  }

  async revoke({ name: user }: Person, id: string): Promise<boolean> {
    const { files, onRevoked } = this.#parts
    if (!isKeyId(id) || !(await files.names(user)).includes(id)) return false
    await files.remove({ user, id })
    onRevoked({ user, id })
    return true
  }

  async #removeExpired(owner: Person): Promise<void> {
    for (const { id, expiresAt } of await this.list(owner))
      if (expiresAt.getTime() <= Date.now()) await this.#parts.files.remove({ user: owner.name, id })
  }

  /** Reserves a key, unless there are too many with those that are being made in other processes. */
  async #reserve(id: string, { user, reservations }: Reservation): Promise<void> {
    for (;;) {
      const held = await reservations.read()
      const ids = new Set((await this.#parts.files.names(user)).filter(isKeyId))
      for (const reserved of held?.state.keys ?? []) ids.add(reserved.id)
      if (ids.size >= MAX_KEYS) {
        const message = `there are ${MAX_KEYS} keys already; revoke some`
        throw new RegistryError('REQUEST_INVALID', { message })
      }
      if (await reservations.add(id, held)) return
    }
  }
}

function shown(id: string, key: KeyRecord, lastUsedAt: Date | null): PersonalKey {
  const { name, repositories, actions, createdAt, expiresAt } = key
  const dates = { createdAt: new Date(createdAt), expiresAt: new Date(expiresAt) }
  return { id, name, repositories, actions, ...dates, lastUsedAt }
}
