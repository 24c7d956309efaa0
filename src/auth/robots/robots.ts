import type { Log } from '../../core/log.ts'
import { WatchedFile } from '../../lib/files/watched-file.ts'
import { hasExpired, isSecretOf, parseRobots, ROBOT_PREFIX, type Robot } from './robots-file.ts'

export interface RobotsOptions {
  readonly path: string
  readonly log: Log
  /** Called when robots were created or revoked. */
  readonly onChange: () => void
}

type RobotMap = ReadonlyMap<string, Robot>

/** The robot accounts of a file. */
export class Robots {
  readonly #file: WatchedFile<RobotMap>

  private constructor(file: WatchedFile<RobotMap>) {
    this.#file = file
  }

  /** Opens the file. If it is missing there are no robots until `entrepot robot create` creates it.
   *  @throws Error if it can't be read */
  static async open({ path, log, onChange }: RobotsOptions): Promise<Robots> {
    const parse = (text: string, previous: RobotMap | undefined): RobotMap => {
      // An empty list revokes all robots; an empty file does not, because it may be half-written.
      if (previous !== undefined && text.trim() === '') throw new Error('it is empty')
      return new Map(parseRobots(text).map((robot) => [robot.name, robot]))
    }
    const absent: RobotMap = new Map()
    const describe = ({ size }: RobotMap) => ({ robots: size })
    const key = 'auth.robots.path'
    return new Robots(await WatchedFile.open({ path, key, parse, absent, describe, log, onChange }))
  }

  /** The robot of a user name and secret. Undefined if they don't match or it has expired. */
  async verify(user: string, secret: string): Promise<Robot | undefined> {
    await this.#file.refresh()
    const robot = this.find(user)
    return robot !== undefined && isSecretOf(robot, secret) ? robot : undefined
  }

  /** The robot of a user name, with the prefix. Undefined if there is none. */
  find(user: string): Robot | undefined {
    const robot = user.startsWith(ROBOT_PREFIX)
      ? this.#file.content.get(user.slice(ROBOT_PREFIX.length))
      : undefined
    return robot === undefined || hasExpired(robot) ? undefined : robot
  }

  close(): void {
    this.#file.close()
  }
}
