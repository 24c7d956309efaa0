import { hash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Log } from '../../core/log.ts'
import { atMost } from '../../lib/at-most.ts'
import { WatchedFile } from '../../lib/files/watched-file.ts'
import type { Bcrypt } from './bcrypt.ts'
import { type PasswordFile, parsePasswordFile } from './htpasswd-file.ts'

export interface HtpasswdOptions {
  readonly path: string
  readonly bcrypt: Bcrypt
  readonly log: Log
  /** Called when users or passwords have changed. */
  readonly onChange: () => void
}

const MAX_VERIFIED = 10_000

/** The users of an htpasswd file. */
export class Htpasswd {
  readonly #key = randomBytes(32).toString('base64')
  /** Verified passwords: the bcrypt hash, by a keyed hash of user and password. */
  readonly #verified = new LRUCache<string, string>(atMost(MAX_VERIFIED))
  readonly #file: WatchedFile<PasswordFile>
  readonly #bcrypt: Bcrypt

  private constructor(file: WatchedFile<PasswordFile>, bcrypt: Bcrypt) {
    this.#file = file
    this.#bcrypt = bcrypt
  }

  /** Opens the file.
   *  @throws Error if it does not exist; no default user is created */
  static async open({ path, bcrypt, log, onChange }: HtpasswdOptions): Promise<Htpasswd> {
    const parse = (text: string, previous: PasswordFile | undefined) => {
      const parsed = parsePasswordFile(text)
      if (previous !== undefined) requireSuccessor(parsed, previous)
      for (const { line, message } of parsed.problems)
        log.warn({ path, line }, `htpasswd, line ${line}: ${message}`)
      if (parsed.hashes.size === 0) log.warn({ path }, 'htpasswd: no user can log in')
      return parsed
    }
    const describe = ({ hashes }: PasswordFile) => ({ users: hashes.size })
    const key = 'auth.htpasswd.path'
    return new Htpasswd(await WatchedFile.open({ path, key, parse, describe, log, onChange }), bcrypt)
  }

  /** True if the password is right. An unknown user takes as long as the most expensive known one.
   *  @throws RegistryError TOOMANYREQUESTS */
  async verify(user: string, password: string): Promise<boolean> {
    await this.#file.refresh()
    const { hashes, highestCost } = this.#file.content
    const known = hashes.get(user)
    const matches = await this.#bcrypt.verify(password, known ?? nobodysHash(highestCost))
    if (!matches || known === undefined) return false
    this.#verified.set(this.#keyOf(user, password), known)
    return true
  }

  /** True if `verify` has accepted this password, and the user's hash has not changed since. */
  async isVerified(user: string, password: string): Promise<boolean> {
    const against = this.#verified.get(this.#keyOf(user, password))
    if (against === undefined) return false
    await this.#file.refresh()
    return this.#file.content.hashes.get(user) === against
  }

  /** Changes with the user's password. Undefined if there is no such user. */
  stampOf(user: string): string | undefined {
    const found = this.#file.content.hashes.get(user)
    return found === undefined ? undefined : hash('sha256', found, 'base64url').slice(0, 16)
  }

  /** True if the file has a line for the user, even one that can't be used. */
  names(user: string): boolean {
    const { hashes, locked } = this.#file.content
    return hashes.has(user) || locked.has(user)
  }

  close(): void {
    this.#file.close()
  }

  #keyOf(user: string, password: string): string {
    return hash('sha256', JSON.stringify([this.#key, user, password]), 'base64')
  }
}

/** Rejects an empty or incomplete file in place of a good one, which would lock users out by accident.
 *  @throws Error with the reason */
function requireSuccessor(next: PasswordFile, previous: PasswordFile): void {
  if (next.isCutOff) throw new Error('its last line is cut off')
  if (next.hashes.size === 0 && next.locked.size === 0 && previous.hashes.size > 0) {
    throw new Error('it has no user; to lock all users out, write a line such as nobody:! or restart')
  }
}

/** A hash that matches no known password, of a given cost factor. */
function nobodysHash(cost: number): string {
  return `$2y$${String(cost).padStart(2, '0')}$UfdxUTo0hrHJnXk7JZWWA.8Y164nq//e8kWITG3ozys4US/irnFkm`
}
