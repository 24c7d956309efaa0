import type { LoginClient } from '../core/access/access-controller.ts'
import type { Login } from '../core/access/authorization-header.ts'
import { RegistryError } from '../core/errors.ts'
import type { Account } from './account.ts'
import type { KeyAccounts } from './keys/key-accounts.ts'
import type { LoginThrottle } from './login-throttle.ts'
import type { Htpasswd } from './passwords/htpasswd.ts'
import { RobotPermissions, type RuleBook, RulePermissions } from './permissions.ts'
import type { Robots } from './robots/robots.ts'
import { ROBOT_PREFIX, type Robot } from './robots/robots-file.ts'

export interface AccountsParts {
  readonly htpasswd: Htpasswd | undefined
  readonly robots: Robots | undefined
  /** Keys of people. Undefined if they are disabled. */
  readonly keys: KeyAccounts | undefined
  readonly loginThrottle: LoginThrottle
  readonly book: RuleBook
}

/** All accounts: the users of the htpasswd file, the robots, and the keys of people. */
export class Accounts {
  readonly #parts: AccountsParts

  constructor(parts: AccountsParts) {
    this.#parts = parts
  }

  /** Verifies a login.
   *  @throws RegistryError UNAUTHORIZED if the password is wrong; TOOMANYREQUESTS */
  async login(login: Login, client: LoginClient): Promise<Account> {
    const { keys } = this.#parts
    const username = keys?.ownerOf(login) ?? login.username
    const account =
      (await this.#verifyAtOnce(login)) ??
      (await this.#parts.loginThrottle.attempt({ client, username }, () => this.#verify(login)))
    if (account === undefined)
      throw new RegistryError('UNAUTHORIZED', { detail: { reason: 'unknown user or wrong password' } })
    return account
  }

  /** The current account. Undefined if it does not exist any more. */
  find(name: string): Account | undefined {
    const { robots, htpasswd } = this.#parts
    const robot = robots?.find(name)
    if (robot !== undefined) return this.#robot(robot)
    const stamp = this.#isRobot(name) ? undefined : htpasswd?.stampOf(name)
    return stamp === undefined ? undefined : this.#user(name, stamp)
  }

  /** The current account of a key. Undefined if it was revoked, has expired, or its owner is gone.
   *  @throws RegistryError UNAVAILABLE */
  async findByKey(user: string, id: string): Promise<Account | undefined> {
    return this.#parts.keys?.find({ user, id })
  }

  /** Verifies without a slow hash and without waiting: a robot's secret, or a password that was verified
   *  before. */
  async #verifyAtOnce(login: Login): Promise<Account | undefined> {
    const { username, password } = login
    const { robots, htpasswd, keys } = this.#parts
    if (keys?.ownerOf(login) !== undefined) return keys.verifyIfRead(login)
    if (this.#isRobot(username)) {
      const robot = await robots?.verify(username, password)
      return robot && this.#robot(robot)
    }
    return (await htpasswd?.isVerified(username, password)) ? this.find(username) : undefined
  }

  async #verify(login: Login): Promise<Account | undefined> {
    const { username, password } = login
    const { keys } = this.#parts
    if (keys?.ownerOf(login) !== undefined) return keys.verify(login)
    if (this.#isRobot(username)) return undefined
    return (await this.#parts.htpasswd?.verify(username, password)) ? this.find(username) : undefined
  }

  #isRobot(name: string): boolean {
    return this.#parts.robots !== undefined && name.startsWith(ROBOT_PREFIX)
  }

  #user(name: string, stamp: string): Account {
    const permissions = new RulePermissions(this.#parts.book, { name, groups: [] })
    return { kind: 'user', name, permissions, stamp, expiresAt: undefined }
  }

  #robot(robot: Robot): Account {
    return {
      kind: 'robot',
      name: `${ROBOT_PREFIX}${robot.name}`,
      permissions: new RobotPermissions(robot, new RulePermissions(this.#parts.book)),
      stamp: robot.secret.slice(0, 16),
      expiresAt: robot.expiresAt === undefined ? undefined : Date.parse(robot.expiresAt),
    }
  }
}
