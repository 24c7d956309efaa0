import { checkFiles } from '../app/check-files.ts'
import { loadConfig } from '../config/load.ts'
import { atMostOne, parseCommand } from './parse-command.ts'
import type { CommandModule } from './table/command.ts'
import { UsageError } from './usage-error.ts'

/** Reports every problem of a configuration and of its files.
 *  @throws ConfigError, or Error, with all problems that prevent the start */
export async function checkConfig(configPath: string | undefined): Promise<void> {
  const { config, source, warnings } = loadConfig({ path: configPath, env: process.env })
  const files = await checkFiles(config)
  const said = [...warnings.map(({ path, message }) => `${path}: ${message}`), ...files.warnings]
  for (const warning of said) process.stdout.write(`warning: ${warning}\n`)
  if (files.problems.length > 0) throw new Error(files.problems.join('\n'))
  process.stdout.write(`${source ?? 'the built-in defaults'}: no problem found\n`)
}

const HELP = `entrepot config check [config.yml]

Reports every problem of a configuration, and of the files that it names. Changes nothing.
`

/** Runs `entrepot config`.
 *  @throws UsageError; ConfigError */
async function config(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: HELP, options: {} })
  if (parsed === undefined) return
  const [verb, ...operands] = parsed.positionals
  if (verb !== 'check')
    throw new UsageError(`there is no command "${['config', ...parsed.positionals].join(' ')}"`)
  await checkConfig(atMostOne(operands))
}

export const command: CommandModule = { help: HELP, options: {}, words: ['check'], run: config }
