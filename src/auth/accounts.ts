import type { LoginClient } from '../core/access/access-controller.ts'
import type { Login } from '../core/access/authorization-header.ts'
import { RegistryError } from '../core/errors.ts'
import type { LoginThrottle } from './login-throttle.ts'
import type { Htpasswd } from './passwords/htpasswd.ts'
import { type Permissions, RobotPermissions, type RuleBook, RulePermissions } from './permissions.ts'
import type { Robots } from './robots.ts'
import { ROBOT_PREFIX, type Robot } from './robots-file.ts'

/** An identity with a password. */
export interface Account {
  readonly kind: 'user' | 'robot'
  readonly name: string
  readonly permissions: Permissions
  /** Changes with the password, which invalidates tokens issued for the old one. */
  readonly stamp: string
  /** In milliseconds since 1970; undefined for accounts without expiry. */
  readonly expiresAt: number | undefined
}

export interface AccountsParts {
  readonly htpasswd: Htpasswd | undefined
  readonly robots: Robots | undefined
  readonly loginThrottle: LoginThrottle
  readonly book: RuleBook
}

/** All accounts: the users of the htpasswd file and the robots. */
export class Accounts {
  readonly #parts: AccountsParts

  constructor(parts: AccountsParts) {
    this.#parts = parts
  }

  /** Verifies a login.
   *  @throws RegistryError UNAUTHORIZED if the password is wrong; TOOMANYREQUESTS */
  async login(login: Login, client: LoginClient): Promise<Account> {
    const { username } = login
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

  /** Verifies without a slow hash and without waiting: a robot's secret, or a password that was verified
   *  before. */
  async #verifyAtOnce({ username, password }: Login): Promise<Account | undefined> {
    const { robots, htpasswd } = this.#parts
    if (this.#isRobot(username)) {
      const robot = await robots?.verify(username, password)
      return robot && this.#robot(robot)
    }
    return (await htpasswd?.isVerified(username, password)) ? this.find(username) : undefined
  }

  async #verify({ username, password }: Login): Promise<Account | undefined> {
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
