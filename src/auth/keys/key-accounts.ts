import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Login } from '../../core/access/authorization-header.ts'
import { RegistryError, StorageError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { atMost } from '../../lib/at-most.ts'
import type { Account } from '../account.ts'
import { KeyPermissions, type RuleBook, RulePermissions } from '../permissions.ts'
import { isSame, type KeyFiles, type KeyPlace, type KeyRecord } from './key-files.ts'
import { keyLoginOf } from './key-secret.ts'

export interface KeyAccountsParts {
  readonly files: KeyFiles
  readonly book: RuleBook
  /** The stamp of a user with a password. Undefined if there is no such user. */
  readonly stampOf: (user: string) => string | undefined
  /** Prefixes of the people of identity providers. */
  readonly prefixes: readonly string[]
  readonly isReadOnly: boolean
  readonly log: Log
}

/** How long a process relies on what it has read: a key that another process revokes is accepted for so long. */
export const KEY_REMEMBERED_MS = 10_000
const MAX_REMEMBERED = 10_000
/** The last use is recorded no more often. */
const USE_INTERVAL_MS = 3_600_000

/** The keys of people, as accounts to log in with. */
export class KeyAccounts {
  readonly #parts: KeyAccountsParts
  /** Also of keys that do not exist: false. */
  readonly #read = new LRUCache<string, KeyRecord | false>({
    ...atMost(MAX_REMEMBERED),
    ttl: KEY_REMEMBERED_MS,
  })
  readonly #noted = new LRUCache<string, true>({ ...atMost(MAX_REMEMBERED), ttl: USE_INTERVAL_MS })

  constructor(parts: KeyAccountsParts) {
    this.#parts = parts
  }

  /** The user whose key the password is. Undefined if it is none. */
  ownerOf(login: Login): string | undefined {
    return keyLoginOf(login)?.user
  }

  /** The account of a key that was read a moment ago. Undefined says nothing. */
  verifyIfRead(login: Login): Account | undefined {
    const key = keyLoginOf(login)
    const record = key && this.#read.get(nameOf(key))
    return key && record ? this.#accountIf(key, record, key.secret) : undefined
  }

  /** Undefined if there is no such key, it has expired, or its owner has no account any more.
   *  @throws RegistryError UNAVAILABLE if storage can't be read */
  async verify(login: Login): Promise<Account | undefined> {
    const key = keyLoginOf(login)
    const record = key && (await this.#load(key))
    return key && record ? this.#accountIf(key, record, key.secret) : undefined
  }

  /** The account of a key that has been verified before, as it is now.
   *  @throws RegistryError UNAVAILABLE */
  async find(place: KeyPlace): Promise<Account | undefined> {
    const record = await this.#load(place)
    return record && this.#accountOf(place, record)
  }

  /** Forgets what was read of a key. */
  forget(place: KeyPlace): void {
    this.#read.delete(nameOf(place))
  }

  async #load(place: KeyPlace): Promise<KeyRecord | undefined> {
    const name = nameOf(place)
    const known = this.#read.get(name)
    if (known !== undefined) return known || undefined
    const record = await this.#parts.files.read(place).catch((cause) => {
      if (!(cause instanceof StorageError)) throw cause
      throw new RegistryError('UNAVAILABLE', { message: 'the keys cannot be read at present', cause })
    })
    this.#read.set(name, record ?? false)
    return record
  }

  #accountIf(place: KeyPlace, record: KeyRecord, secret: string): Account | undefined {
    if (!isSame(record.secret, hash('sha256', secret))) return undefined
    const account = this.#accountOf(place, record)
    if (account !== undefined) this.#noteUse(place)
    return account
  }

  #accountOf({ id }: KeyPlace, record: KeyRecord): Account | undefined {
    const { user: name, groups, stamp } = record
    const expiresAt = Date.parse(record.expiresAt)
    if (expiresAt <= Date.now() || !this.#hasOwner(record)) return undefined
    const { book } = this.#parts
    const own = new RulePermissions(book, { name, groups })
    const permissions = new KeyPermissions(record, { own, anonymous: new RulePermissions(book) })
    return { kind: 'user', name, permissions, stamp, expiresAt, key: id }
  }

  #hasOwner({ source, user, stamp }: KeyRecord): boolean {
    const { stampOf, prefixes } = this.#parts
    return source === 'password'
      ? stampOf(user) === stamp
      : prefixes.some((prefix) => user.startsWith(prefix))
  }

  /** The login does not wait for it. */
  #noteUse(place: KeyPlace): void {
    const name = nameOf(place)
    const { files, log, isReadOnly } = this.#parts
    if (isReadOnly || this.#noted.has(name)) return
    this.#noted.set(name, true)
    files
      .noteUse(place, new Date())
      .catch((err) => log.warn({ err }, 'the last use of a key was not recorded'))
  }
}

function nameOf({ user, id }: KeyPlace): string {
  return `${id} ${user}`
}
