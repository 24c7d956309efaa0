import { loadConfig } from '../config/load.ts'

/** Says everything that is wrong with a configuration; throws ConfigError, which lists it, when it can't be served. */
export async function checkConfig(configPath: string | undefined): Promise<void> {
  const { source, warnings } = loadConfig({ path: configPath, env: process.env })
  for (const { path, message } of warnings) process.stdout.write(`warning: ${path}: ${message}\n`)
  process.stdout.write(`${source ?? 'the built-in defaults'}: no problem found\n`)
}
