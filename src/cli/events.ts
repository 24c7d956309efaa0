import { withOutbox } from '../app/outbox-admin.ts'
import { loadConfig } from '../config/load.ts'
import { parseDuration } from '../config/units.ts'
import type { Log } from '../core/log.ts'
import { parseCommand } from './parse-command.ts'
import type { CommandModule } from './table/command.ts'
import { UsageError } from './usage-error.ts'

const HELP = `entrepot events list [config.yml] [--json]
entrepot events show <id> [config.yml]
entrepot events replay <endpoint> [config.yml] --since 1h | --dead [--id <id>]
entrepot events drop <endpoint> [config.yml] --waiting | --dead [--id <id>]

What waits to be delivered to the endpoints of notifications. docs/notifications.md says more.

  list     what waits for each endpoint, and what was given up (dead letters)
  show     an event that is kept, as JSON
  replay   delivers again, under the same ids: what is kept from a time on, or dead letters
  drop     forgets what waits for an endpoint, or dead letters

  --since     how far back, such as 1h, or a date such as 2030-01-31T12:00:00Z
  --dead      dead letters, instead of the log
  --id        only one of them
  --waiting   all that waits for the endpoint
  --json      a line of JSON for each endpoint

A registry must run to replay, and to drop what waits.
`

const OPTIONS = {
  since: { type: 'string' },
  dead: { type: 'boolean' },
  waiting: { type: 'boolean' },
  id: { type: 'string' },
  json: { type: 'boolean' },
} as const

type Values = NonNullable<ReturnType<typeof parsed>>['values']

/** Runs `entrepot events`.
 *  @throws UsageError; ConfigError; Error if the endpoint or the event is unknown */
export async function events(args: readonly string[]): Promise<void> {
  const found = parsed(args)
  if (found === undefined) return
  const { values, positionals } = found
  const [command, ...operands] = positionals
  if (command === 'list') return list(values, fileOf(operands))
  const [subject, ...rest] = operands
  if (command === 'show') return show(required(subject, 'the id of an event'), fileOf(rest))
  const endpoint = () => required(subject, 'the name of an endpoint')
  if (command === 'replay') return replay(endpoint(), values, fileOf(rest))
  if (command === 'drop') return drop(endpoint(), values, fileOf(rest))
  throw new UsageError('events takes list, show, replay or drop')
}

function parsed(args: readonly string[]) {
  return parseCommand(args, { help: HELP, options: OPTIONS })
}

async function list({ json = false }: Values, file: string | undefined): Promise<void> {
  await inOutbox(file, async (admin) => {
    for await (const summary of admin.endpoints()) {
      const { endpoint, waiting, held, dead, off } = summary
      if (json) {
        print(JSON.stringify(summary))
        continue
      }
      print(
        `${endpoint}: ${waiting} in the log, ${held.length} repositories held, ${dead.length} dead letters`,
      )
      if (off !== undefined) print(`  switched off: ${off}`)
      for (const { id, action, target } of held) print(`  held  ${id}  ${action} ${target.repository}`)
      for (const { event, reason, at } of dead)
        print(`  dead  ${event.id}  ${event.action} ${event.target.repository}: ${reason}, ${at}`)
    }
  })
}

async function show(id: string, file: string | undefined): Promise<void> {
  await inOutbox(file, async (admin) => {
    const found = await admin.find(id)
    if (found === undefined) throw new Error(`no event ${id} is kept`)
    print(JSON.stringify(found, undefined, 2))
  })
}

async function replay(
  endpoint: string,
  { since, dead, id }: Values,
  file: string | undefined,
): Promise<void> {
  if ((since === undefined) === !dead) throw new UsageError('replay takes either --since or --dead')
  if (id !== undefined && !dead) throw new UsageError('--id is for --dead')
  await inOutbox(file, async (admin) => {
    const isDone =
      since === undefined
        ? await admin.ask({ kind: 'revive', endpoint, id })
        : await admin.ask({ kind: 'replay', endpoint, since: timeOf(since) })
    print(isDone ? 'is being delivered' : NOBODY)
  })
}

async function drop(
  endpoint: string,
  { waiting, dead, id }: Values,
  file: string | undefined,
): Promise<void> {
  if (Boolean(waiting) === Boolean(dead)) throw new UsageError('drop takes either --waiting or --dead')
  if (id !== undefined && !dead) throw new UsageError('--id is for --dead')
  await inOutbox(file, async (admin) => {
    if (dead) return print(`${await admin.dropDead(endpoint, id)} dead letters dropped`)
    print((await admin.ask({ kind: 'drop', endpoint })) ? 'what was waiting is dropped' : NOBODY)
  })
}

const NOBODY = 'no registry delivers at the moment; it is done once one runs'

type Work = Parameters<typeof withOutbox<void>>[2]

function inOutbox(file: string | undefined, work: Work): Promise<void> {
  const { config } = loadConfig({ path: file, env: process.env })
  return withOutbox(config, QUIET, work)
}

function timeOf(text: string): string {
  const milliseconds = parseDuration(text)
  const time = milliseconds === undefined ? Date.parse(text) : Date.now() - milliseconds
  if (Number.isNaN(time)) throw new UsageError(`--since takes a duration such as 1h, or a date, not ${text}`)
  return new Date(time).toISOString()
}

function fileOf(operands: readonly string[]): string | undefined {
  if (operands.length > 1) throw new UsageError(`one file at most, not ${operands.join(' ')}`)
  return operands[0]
}

function required(operand: string | undefined, what: string): string {
  if (operand === undefined) throw new UsageError(`${what} is missing`)
  return operand
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Errors are thrown. */
const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} }

export const command: CommandModule = {
  help: HELP,
  options: OPTIONS,
  words: ['list', 'show', 'replay', 'drop'],
  run: events,
}
