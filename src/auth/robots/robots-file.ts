import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import * as z from 'zod'
import { ACTIONS } from '../../core/access/access-controller.ts'

/** Prefix of robots' user names. Users of an htpasswd file should not have it. */
export const ROBOT_PREFIX = 'robot+'

export const ROBOT_NAME = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/

const robot = z.strictObject({
  name: z.string().regex(ROBOT_NAME),
  /** SHA-256 of the secret, in hexadecimal. A secret of 256 random bits needs no slow hash. */
  secret: z.string().regex(/^[0-9a-f]{64}$/),
  repositories: z.array(z.string()),
  actions: z.array(z.enum([...ACTIONS, '*'])),
  createdAt: z.iso.datetime(),
  /** Absent for robots without expiry. */
  expiresAt: z.iso.datetime().optional(),
})

const file = z.strictObject({ robots: z.array(robot) })

export type Robot = z.output<typeof robot>

/** Parses the file that `entrepot robot` writes. An empty text has no robots.
 *  @throws Error with the place of the error */
export function parseRobots(text: string): readonly Robot[] {
  if (text.trim() === '') return []
  const parsed = file.safeParse(JSON.parse(text))
  if (parsed.success) return parsed.data.robots
  throw new Error(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
}

export function formatRobots(robots: readonly Robot[]): string {
  return `${JSON.stringify({ robots }, null, 2)}\n`
}

/** A new secret, with a prefix by which scanners find leaked ones. */
export function newSecret(): string {
  return `ent_${randomBytes(32).toString('base64url')}`
}

export function hashSecret(secret: string): string {
  return hash('sha256', secret)
}

export function isSecretOf(robot: Robot, secret: string): boolean {
  return timingSafeEqual(Buffer.from(robot.secret), Buffer.from(hashSecret(secret)))
}

export function hasExpired({ expiresAt }: Robot, now = Date.now()): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= now
}
