import { dirname } from 'node:path'
import {
  formatRobots,
  hasExpired,
  hashSecret,
  newSecret,
  parseRobots,
  ROBOT_NAME,
  ROBOT_PREFIX,
  type Robot,
} from '../auth/robots/robots-file.ts'
import { loadConfig } from '../config/load.ts'
import { parseDuration } from '../config/units.ts'
import { ACTIONS, type Action } from '../core/access/access-controller.ts'
import { GLOB_FORM, hasUpperCase, isRepositoryGlob } from '../core/access/repository-glob.ts'
import { makeFolder, textOf, updateFile } from '../lib/files/atomic-write.ts'
import { parseCommand } from './parse-command.ts'
import type { CommandModule } from './table/command.ts'
import { UsageError } from './usage-error.ts'

const HELP = `entrepot robot create <name> --repository <glob> --action <action> [--expires <when>] [config.yml]
entrepot robot list [config.yml]
entrepot robot revoke <name> [config.yml]

Accounts for machines, in the file that auth.robots.path names. A robot logs in as ${ROBOT_PREFIX}<name> with a secret that is
printed once, and may do what is said here, whatever auth.rules say:

  --repository, -r   which repositories, as a glob such as team/**; several times for several
  --action, -a       pull, push, delete, tag or *; several times for several
  --expires, -e      when it ends: 90d, 12h, a date such as 2030-01-31, or never. Default: 90d

A running registry takes it within two seconds.
`

const OPTIONS = {
  repository: { type: 'string', short: 'r', multiple: true },
  action: { type: 'string', short: 'a', multiple: true },
  expires: { type: 'string', short: 'e' },
} as const

/** Runs `entrepot robot`.
 *  @throws UsageError; ConfigError; Error if the robot does not exist, or exists already */
export async function robot(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: HELP, options: OPTIONS })
  if (parsed === undefined) return
  const [command, ...operands] = parsed.positionals
  const { values } = parsed
  if (command !== 'create' && Object.keys(values).length > 0) {
    throw new UsageError('--repository, --action and --expires are for robot create')
  }
  if (command === 'create') return create(named(operands), values)
  if (command === 'revoke') return revoke(named(operands))
  if (command === 'list') return list(pathOf(operands))
  throw new UsageError('robot takes create, list or revoke')
}

interface Named {
  readonly name: string
  readonly path: string
}

function named([name, ...rest]: readonly string[]): Named {
  const plain = name?.startsWith(ROBOT_PREFIX) ? name.slice(ROBOT_PREFIX.length) : name
  if (plain === undefined || !ROBOT_NAME.test(plain)) {
    throw new UsageError('a robot has a name of lower-case letters and digits, joined by . _ or -')
  }
  return { name: plain, path: pathOf(rest) }
}

/** The file of robots that the configuration names. */
function pathOf(operands: readonly string[]): string {
  if (operands.length > 1) throw new UsageError(`one configuration at most, not ${operands.join(' ')}`)
  const { config } = loadConfig({ path: operands[0], env: process.env })
  const path = config.auth.robots?.path
  if (path === undefined) throw new Error('the configuration has no auth.robots.path, the file of robots')
  return path
}

interface CreateValues {
  readonly repository?: readonly string[] | undefined
  readonly action?: readonly string[] | undefined
  readonly expires?: string | undefined
}

async function create(
  { name, path }: Named,
  { repository = [], action = [], expires = '90d' }: CreateValues,
) {
  if (repository.length === 0 || action.length === 0) {
    throw new UsageError('robot create needs --repository and --action')
  }
  for (const glob of repository) requireGlob(glob)
  const actions = action.flatMap((words) => words.split(',')).map(parseAction)
  const expiresAt = parseExpiry(expires, new Date())
  const secret = newSecret()
  const made: Robot = {
    name,
    secret: hashSecret(secret),
    repositories: [...repository],
    actions,
    createdAt: new Date().toISOString(),
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() }),
  }
  await makeFolder(dirname(path))
  await updateFile(path, (text) => {
    const robots = parseRobots(text)
    if (robots.some((one) => one.name === name))
      throw new Error(`the robot ${name} exists already; revoke it first`)
    return formatRobots([...robots, made])
  })
  process.stderr.write('The secret is shown this once:\n')
  process.stdout.write(
    `name    ${ROBOT_PREFIX}${name}\nsecret  ${secret}\nexpires ${made.expiresAt ?? 'never'}\n`,
  )
}

async function revoke({ name, path }: Named): Promise<void> {
  await updateFile(path, (text) => {
    const robots = parseRobots(text)
    const kept = robots.filter((one) => one.name !== name)
    if (kept.length === robots.length) throw new Error(`there is no robot ${name}`)
    return formatRobots(kept)
  })
  process.stderr.write(`${ROBOT_PREFIX}${name} is revoked\n`)
}

async function list(path: string): Promise<void> {
  for (const one of parseRobots(await textOf(path))) {
    const end =
      one.expiresAt === undefined
        ? 'does not expire'
        : `${hasExpired(one) ? 'expired' : 'expires'} ${one.expiresAt}`
    const scope = `${one.actions.join(',')} of ${one.repositories.join(', ')}`
    process.stdout.write(`${ROBOT_PREFIX}${one.name}  ${scope}  ${end}\n`)
  }
}

/** Validates a glob.
 *  @throws UsageError if it could match no repository */
function requireGlob(glob: string): void {
  if (!isRepositoryGlob(glob)) throw new UsageError(`a repository is ${GLOB_FORM}; not ${glob}`)
  if (hasUpperCase(glob)) throw new UsageError(`no repository has upper-case letters, as ${glob} has`)
}

function parseAction(word: string): Action | '*' {
  const action = [...ACTIONS, '*' as const].find((one) => one === word)
  if (action === undefined) throw new UsageError(`an action is ${ACTIONS.join(', ')} or *, not ${word}`)
  return action
}

/** Parses an expiry date. Undefined for `never`.
 *  @throws UsageError if it is malformed or past */
function parseExpiry(text: string, now: Date): Date | undefined {
  if (text === 'never') return undefined
  const days = /^(\d{1,5})d$/.exec(text)?.[1]
  const milliseconds = days === undefined ? parseDuration(text) : Number(days) * 24 * 60 * 60 * 1000
  const expiry = milliseconds === undefined ? new Date(text) : new Date(now.getTime() + milliseconds)
  if (Number.isNaN(expiry.getTime()) || expiry <= now) {
    throw new UsageError(`--expires is a future time, such as 90d, 12h or 2030-01-31, or never; not ${text}`)
  }
  return expiry
}

export const command: CommandModule = {
  help: HELP,
  options: OPTIONS,
  words: ['create', 'list', 'revoke'],
  run: robot,
}
