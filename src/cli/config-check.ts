import { checkFiles } from '../app/check-files.ts'
import { loadConfig } from '../config/load.ts'

/** Says everything that is wrong with a configuration and with the files that it names.
 *  @throws ConfigError, or Error, which lists what keeps it from being served */
export async function checkConfig(configPath: string | undefined): Promise<void> {
  const { config, source, warnings } = loadConfig({ path: configPath, env: process.env })
  const files = await checkFiles(config)
  const said = [...warnings.map(({ path, message }) => `${path}: ${message}`), ...files.warnings]
  for (const warning of said) process.stdout.write(`warning: ${warning}\n`)
  if (files.problems.length > 0) throw new Error(files.problems.join('\n'))
  process.stdout.write(`${source ?? 'the built-in defaults'}: no problem found\n`)
}
