import { hashPassword, MAX_PASSWORD_BYTES } from '../auth/passwords/bcrypt.ts'
import { parsePasswordFile, STANDARD_COST, withPassword } from '../auth/passwords/htpasswd-file.ts'
import { ROBOT_PREFIX } from '../auth/robots/robots-file.ts'
import { updateFile } from '../lib/files/atomic-write.ts'
import { parseCommand } from './parse-command.ts'
import { readPassword } from './password.ts'
import type { CommandModule } from './table/command.ts'
import { UsageError } from './usage-error.ts'

const HELP = `entrepot htpasswd <file> <user>

Adds a user to a file of passwords, or changes the user's password, which is asked for in the terminal or read from
standard input. The file is made when it is missing. A running registry takes it within two seconds.
`

/** Runs `entrepot htpasswd`.
 *  @throws UsageError; Error if the password is rejected */
export async function htpasswd(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: HELP, options: {} })
  if (parsed === undefined) return
  const [path, user, ...rest] = parsed.positionals
  if (path === undefined || user === undefined || rest.length > 0) {
    throw new UsageError('htpasswd takes a file and a user, and prompts for the password')
  }
  checkUser(user)
  const password = await readPassword()
  checkPassword(password)
  const hash = await hashPassword(password, STANDARD_COST)
  const text = await updateFile(path, (before) => withPassword(before, { user, hash }))
  for (const { line, message } of parsePasswordFile(text).problems) {
    process.stderr.write(`warning: ${path}, line ${line}: ${message}\n`)
  }
  process.stderr.write(`${user} has a new password\n`)
}

function checkUser(user: string): void {
  if (!/^[^\s:#][^:\r\n]*$/.test(user) || user.trim() !== user) {
    throw new UsageError('a user has a name without colons, which begins with neither # nor a space')
  }
  if (user.startsWith(ROBOT_PREFIX))
    throw new UsageError(`names that begin with ${ROBOT_PREFIX} are for robots`)
}

function checkPassword(password: string): void {
  if (password === '') throw new Error('the password is empty')
  if (/[\r\n\0]/.test(password)) throw new Error('a password is a single line')
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) {
    throw new Error(`a password has at most ${MAX_PASSWORD_BYTES} bytes: bcrypt ignores further ones`)
  }
}

export const command: CommandModule = { help: HELP, options: {}, run: htpasswd }
