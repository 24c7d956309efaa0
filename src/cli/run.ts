import { parseArgs } from 'node:util'
import { UsageError } from './usage-error.ts'
import { WORKER_COMMAND } from './workers/worker-command.ts'

export { exitCodeOf } from './exit-code.ts'
export { UsageError } from './usage-error.ts'

/** Runs the command of a command line.
 *  @throws UsageError; ConfigError; errors that the command ends with */
export async function run(args: readonly string[]): Promise<void> {
  const [name, ...rest] = args
  // Internal: the supervisor starts workers with it. Unknown in other processes.
  if (name === WORKER_COMMAND && (await (await import('./workers/worker.ts')).work())) return
  const { COMMANDS, findCommand, overview } = await import('./table/commands.ts')
  const command = findCommand(name)
  if (command !== undefined) return (await command.load()).run(rest)
  const { values, positionals } = parse(args)
  if (values.version) return print(`${await (await import('../lib/version.ts')).version()}\n`)
  if (values.help || positionals.length === 0) return print(overview())
  const { unknownCommand } = await import('./table/help.ts')
  throw unknownCommand(positionals, COMMANDS)
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
    })
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function print(text: string): void {
  process.stdout.write(text)
}
