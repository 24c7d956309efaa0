import { checkFiles } from '../app/check-files.ts'
import { loadConfig } from '../config/load.ts'

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
