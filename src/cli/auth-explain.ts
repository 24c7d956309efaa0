import { hasExpired, parseRobots, ROBOT_PREFIX } from '../auth/robots/robots-file.ts'
import {
  type ActionBits,
  ANYBODY,
  bitOf,
  bitsOf,
  Rules,
  repositoryMatcher,
  type Subject,
} from '../auth/rules.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { ACTIONS, type Action } from '../core/access/access-controller.ts'
import { parseRepositoryName } from '../core/reference.ts'
import { textOf } from '../lib/files/atomic-write.ts'
import { parseCommand } from './parse-command.ts'
import type { CommandModule } from './table/command.ts'
import { UsageError } from './usage-error.ts'

const HELP = `entrepot auth explain <user> <repository> <action> [--group <name>] [config.yml]

Shows whether an action is allowed, and the rule that decides. The user is a name, robot+<name> or
anonymous; --group names a group that a workload's token puts the user in. The action is ${ACTIONS.join(', ')}.
`

const OPTIONS = { group: { type: 'string', short: 'g', multiple: true } } as const

interface Question {
  readonly user: string
  readonly repository: string
  readonly action: Action
  readonly groups: readonly string[]
}

/** Runs `entrepot auth`.
 *  @throws UsageError; ConfigError; RegistryError NAME_INVALID */
export async function auth(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: HELP, options: OPTIONS })
  if (parsed === undefined) return
  const [command, user, name, word, ...rest] = parsed.positionals
  if (command !== 'explain' || user === undefined || name === undefined || rest.length > 1) {
    throw new UsageError('auth explain takes a user, a repository and an action')
  }
  const action = ACTIONS.find((one) => one === word)
  if (action === undefined)
    throw new UsageError(`an action is ${ACTIONS.join(', ')}, not ${word ?? 'nothing'}`)
  const { config } = loadConfig({ path: rest[0], env: process.env })
  const question = { user, repository: parseRepositoryName(name), action, groups: parsed.values.group ?? [] }
  process.stdout.write(`${await explain(config.auth, question)}\n`)
}

async function explain(settings: Config['auth'], question: Question): Promise<string> {
  if (settings.token !== undefined) return `auth.token: the token of ${settings.token.issuer} decides`
  if (settings.silly !== undefined) return 'auth.silly: allowed with any credentials'
  const robot = await byRobot(settings, question)
  const own = robot ?? byRules(settings, question, subjectOf(question))
  if (own.allowed || question.user === 'anonymous') return sentence(own)
  const forAnonymous = byRules(settings, question, ANYBODY)
  if (forAnonymous.allowed)
    return sentence({ ...forAnonymous, why: `${forAnonymous.why}, as for anonymous clients` })
  return `${sentence(own)}${question.action === 'pull' && (await mayPush(settings, question)) ? HEAD_ALL_THE_SAME : ''}`
}

const HEAD_ALL_THE_SAME = '\npush is allowed: it includes HEAD of manifests and blobs, and reads none of them'

async function mayPush(settings: Config['auth'], asked: Question): Promise<boolean> {
  const question: Question = { ...asked, action: 'push' }
  const own = (await byRobot(settings, question)) ?? byRules(settings, question, subjectOf(question))
  return own.allowed || byRules(settings, question, ANYBODY).allowed
}

interface Verdict {
  readonly allowed: boolean
  readonly why: string
}

function sentence({ allowed, why }: Verdict): string {
  return `${allowed ? 'allowed' : 'denied'}: ${why}`
}

function subjectOf({ user, groups }: Question): Subject {
  return user === 'anonymous' ? ANYBODY : { name: user, groups }
}

function byRules(settings: Config['auth'], { repository, action }: Question, subject: Subject): Verdict {
  if (isOpen(settings)) return { allowed: true, why: 'there is no access control' }
  const { rule, allowed: bits } = new Rules(settings).decide(subject, repository)
  const allowed = covers(bits, action)
  if (settings.rules === undefined) {
    return {
      allowed,
      why: `there are no rules, so ${allowed ? 'authenticated clients may do everything' : 'nothing is allowed without a login'}`,
    }
  }
  if (rule === undefined) return { allowed, why: 'no rule matches' }
  const { repositories, who, actions } = settings.rules[rule]!
  const content = `repositories ${repositories.join(' ')}; who ${who.join(' ')}; actions ${actions.join(' ') || 'none'}`
  return { allowed, why: `auth.rules[${rule}] decides (${content})` }
}

/** A permission to push includes tagging. */
function covers(bits: ActionBits, action: Action): boolean {
  return (bits & bitOf(action)) !== 0 || (action === 'tag' && (bits & bitOf('push')) !== 0)
}

function isOpen({ htpasswd, issuer, robots, certificate, rules }: Config['auth']): boolean {
  return [htpasswd, issuer, robots, certificate, rules].every((part) => part === undefined)
}

/** The permissions of a robot. Undefined for other users. */
async function byRobot(
  { robots }: Config['auth'],
  { user, repository, action }: Question,
): Promise<Verdict | undefined> {
  if (robots === undefined || !user.startsWith(ROBOT_PREFIX)) return undefined
  const name = user.slice(ROBOT_PREFIX.length)
  const robot = parseRobots(await textOf(robots.path)).find((one) => one.name === name)
  if (robot === undefined) return { allowed: false, why: `${robots.path} has no robot ${name}` }
  if (hasExpired(robot)) return { allowed: false, why: `the robot ${name} has expired` }
  const matches = repositoryMatcher(robot.repositories)(repository) && covers(bitsOf(robot.actions), action)
  return {
    allowed: matches,
    why: `the robot ${name} was created for ${robot.actions.join(' ')} of ${robot.repositories.join(' ')}`,
  }
}

export const command: CommandModule = { help: HELP, options: OPTIONS, words: ['explain'], run: auth }
