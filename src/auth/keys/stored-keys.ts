import { hash } from 'node:crypto'
import type { PersonalKey, PersonalKeys, WantedKey } from '../../core/access/personal-keys.ts'
import type { Person } from '../../core/access/sessions.ts'
import { RegistryError } from '../../core/errors.ts'
import type { KeyFiles, KeyPlace, KeyRecord } from './key-files.ts'
import { isKeyId, newKey } from './key-secret.ts'

export interface StoredKeysParts {
  readonly files: KeyFiles
  readonly maxLifetimeMs: number
  /** The stamp of a user with a password. Undefined if there is no such user. */
  readonly stampOf: (user: string) => string | undefined
  /** Called when a key was revoked. */
  readonly onRevoked: (place: KeyPlace) => void
}

/** Those that have not expired. */
const MAX_KEYS = 50

/** The keys of people, as their owners manage them. */
export class StoredKeys implements PersonalKeys {
  readonly #parts: StoredKeysParts

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
    await this.#makeRoom(owner)
    const { id, secret } = newKey()
    const now = Date.now()
    const { name, repositories, actions, lifetimeMs } = wanted
    const key: KeyRecord = {
      ...{ user: owner.name, source: owner.source, groups: [...owner.groups], stamp: owner.stamp },
      ...{ name, repositories: [...repositories], actions: [...actions], secret: hash('sha256', secret) },
      createdAt: new Date(now).toISOString(),
      expiresAt: new Date(now + Math.min(lifetimeMs, this.maxLifetimeMs)).toISOString(),
    }
    await this.#parts.files.create({ user: owner.name, id }, key)
    return { key: shown(id, key, null), secret }
  }

  async revoke({ name: user }: Person, id: string): Promise<boolean> {
    const { files, onRevoked } = this.#parts
    if (!isKeyId(id) || !(await files.names(user)).includes(id)) return false
    await files.remove({ user, id })
    onRevoked({ user, id })
    return true
  }

  /** Removes keys that have expired. */
  async #makeRoom(owner: Person): Promise<void> {
    const keys = await this.list(owner)
    const expired = keys.filter(({ expiresAt }) => expiresAt.getTime() <= Date.now())
    for (const { id } of expired) await this.#parts.files.remove({ user: owner.name, id })
    if (keys.length - expired.length < MAX_KEYS) return
    throw new RegistryError('REQUEST_INVALID', { message: `there are ${MAX_KEYS} keys already; revoke some` })
  }
}

function shown(id: string, key: KeyRecord, lastUsedAt: Date | null): PersonalKey {
  const { name, repositories, actions, createdAt, expiresAt } = key
  const dates = { createdAt: new Date(createdAt), expiresAt: new Date(expiresAt) }
  return { id, name, repositories, actions, ...dates, lastUsedAt }
}
