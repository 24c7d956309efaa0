import { randomBytes } from 'node:crypto'
import type { Login } from '../../core/access/authorization-header.ts'
import type { KeyPlace } from './key-files.ts'

const KEY_ID = /^[0-9a-f]{16}$/
/** A name before it is the rest of the user's: people of identity providers have a colon in their names, and in the
 *  scheme Basic the first colon ends the name. */
const KEY_PASSWORD = /^(?:(.*):)?(entk_([0-9a-f]{16})_[\w-]{43})$/s

export function isKeyId(text: string): boolean {
  return KEY_ID.test(text)
}

/** A new key: 256 random bits behind its name, with a prefix by which scanners find leaked ones. */
export function newKey(): { id: string; secret: string } {
  const id = randomBytes(8).toString('hex')
  return { id, secret: `entk_${id}_${randomBytes(32).toString('base64url')}` }
}

/** The key that a password is, and its owner. Undefined if the password is none. */
export function keyLoginOf({ username, password }: Login): (KeyPlace & { secret: string }) | undefined {
  const [, rest, secret, id] = KEY_PASSWORD.exec(password) ?? []
  if (secret === undefined || id === undefined) return undefined
  return { user: rest === undefined ? username : `${username}:${rest}`, id, secret }
}
