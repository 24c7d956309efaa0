import { nearest } from '../../lib/nearest.ts'
import { parseCommand } from '../parse-command.ts'
import { UsageError } from '../usage-error.ts'
import type { Command, CommandModule } from './command.ts'

const HELP = `entrepot help [command]

Prints all commands, or how one is used.
`

/** `entrepot help`.
 *  @param overview what it prints without a command */
export function helpCommand(commands: readonly Command[], overview: string): CommandModule {
  return {
    help: HELP,
    options: {},
    words: commands.map(({ name }) => name),
    async run(args) {
      const parsed = parseCommand(args, { help: HELP, options: {} })
      if (parsed === undefined) return
      const [name] = parsed.positionals
      if (name === undefined) return void process.stdout.write(overview)
      const command = commands.find((one) => one.name === name)
      if (command === undefined) throw unknownCommand([name], commands)
      process.stdout.write((await command.load()).help)
    },
  }
}

/** @param words the whole command line */
export function unknownCommand(words: readonly string[], commands: readonly Command[]): UsageError {
  const close = nearest(
    words[0] ?? '',
    commands.map(({ name }) => name),
  )
  const hint = close === undefined ? '' : `; there is ${close}`
  return new UsageError(`there is no command "${words.join(' ')}"${hint}`)
}
