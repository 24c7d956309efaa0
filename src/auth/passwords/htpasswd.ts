import { hash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Log } from '../../core/log.ts'
import { WatchedFile } from '../../lib/files/watched-file.ts'
import type { Bcrypt } from './bcrypt.ts'
import { type PasswordFile, parsePasswordFile } from './htpasswd-file.ts'

export interface HtpasswdOptions {
  readonly path: string
  readonly bcrypt: Bcrypt
  readonly log: Log
  /** Users or their passwords are not the same any more. */
  readonly onChange: () => void
}

const MAX_VERIFIED = 10_000

/** The users of an htpasswd file. */
export class Htpasswd {
  readonly #key = randomBytes(32).toString('base64')
  /** By a keyed hash of a user and a password, the bcrypt hash that they were verified against. */
  readonly #verified = new LRUCache<string, string>({ max: MAX_VERIFIED })
  readonly #file: WatchedFile<PasswordFile>
  readonly #bcrypt: Bcrypt

  private constructor(file: WatchedFile<PasswordFile>, bcrypt: Bcrypt) {
    this.#file = file
    this.#bcrypt = bcrypt
  }

  /** @throws Error when there is no such file: nobody is made up */
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

  /** True for the user's password. Who does not exist costs as much time as the most expensive of those who do.
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

  /** True if `verify` has found this to be the user's password, and the file has the same hash of it still. */
  async isVerified(user: string, password: string): Promise<boolean> {
    const against = this.#verified.get(this.#keyOf(user, password))
    if (against === undefined) return false
    await this.#file.refresh()
    return this.#file.content.hashes.get(user) === against
  }

  /** Different for another password of the user; undefined when there is no such user. */
  stampOf(user: string): string | undefined {
    const found = this.#file.content.hashes.get(user)
    return found === undefined ? undefined : hash('sha256', found, 'base64url').slice(0, 16)
  }

  /** True if the file has a line of the user, also one that lets nobody in for now. */
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

/** Half a file, or none, does not take the place of one that is in force: it would lock people out whom nobody wanted to.
 *  @throws Error that says why it doesn't */
function requireSuccessor(next: PasswordFile, previous: PasswordFile): void {
  if (next.isCutOff) throw new Error('its last line is cut off')
  if (next.hashes.size === 0 && next.locked.size === 0 && previous.hashes.size > 0) {
    throw new Error('it has no user; to let nobody in, leave a line such as nobody:! or restart')
  }
}

/** A hash of what nobody knows; what it costs is in it. */
function nobodysHash(cost: number): string {
  return `$2y$${String(cost).padStart(2, '0')}$UfdxUTo0hrHJnXk7JZWWA.8Y164nq//e8kWITG3ozys4US/irnFkm`
}
