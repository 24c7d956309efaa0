import { hash } from 'node:crypto'
import type { Log } from '../../core/log.ts'
import { WatchedFile } from '../../lib/watched-file.ts'
import type { Bcrypt } from './bcrypt.ts'
import { type PasswordFile, parsePasswordFile } from './htpasswd-file.ts'

export interface HtpasswdOptions {
  readonly path: string
  readonly bcrypt: Bcrypt
  readonly log: Log
  /** Users or their passwords are not the same any more. */
  readonly onChange: () => void
}

/** The users of an htpasswd file. */
export class Htpasswd {
  readonly #file: WatchedFile<PasswordFile>
  readonly #bcrypt: Bcrypt

  private constructor(file: WatchedFile<PasswordFile>, bcrypt: Bcrypt) {
    this.#file = file
    this.#bcrypt = bcrypt
  }

  /** @throws Error when there is no such file: nobody is made up */
  static async open({ path, bcrypt, log, onChange }: HtpasswdOptions): Promise<Htpasswd> {
    const parse = (text: string) => {
      const parsed = parsePasswordFile(text)
      for (const { line, message } of parsed.problems)
        log.warn({ path, line }, `htpasswd, line ${line}: ${message}`)
      return parsed
    }
    const file = await WatchedFile.open({ path, key: 'auth.htpasswd.path', parse, log, onChange })
    return new Htpasswd(file, bcrypt)
  }

  /** True for the user's password. Who does not exist costs as much time as the most expensive of those who do.
   *  @throws RegistryError TOOMANYREQUESTS */
  async verify(user: string, password: string): Promise<boolean> {
    await this.#file.refresh()
    const { hashes, highestCost } = this.#file.content
    const known = hashes.get(user)
    const matches = await this.#bcrypt.verify(password, known ?? nobodysHash(highestCost))
    return matches && known !== undefined
  }

  /** Different for another password of the user; undefined when there is no such user. */
  stampOf(user: string): string | undefined {
    const found = this.#file.content.hashes.get(user)
    return found === undefined ? undefined : hash('sha256', found, 'base64url').slice(0, 16)
  }

  close(): void {
    this.#file.close()
  }
}

/** A hash of what nobody knows; what it costs is in it. */
function nobodysHash(cost: number): string {
  return `$2y$${String(cost).padStart(2, '0')}$UfdxUTo0hrHJnXk7JZWWA.8Y164nq//e8kWITG3ozys4US/irnFkm`
}
