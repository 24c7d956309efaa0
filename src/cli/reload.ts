import { unwatchFile, watchFile } from 'node:fs'
import type { RunningRegistry } from '../app.ts'
import { ConfigError, loadConfig } from '../config/load.ts'
import type { Log } from '../core/log.ts'

export interface Reloading {
  readonly configPath: string | undefined
  /** The file that was read; undefined for none. */
  readonly source: string | undefined
  readonly running: RunningRegistry
  readonly log: Log
}

/** How often it is looked whether the file has changed. */
const POLL_MS = 1000

/** Puts the rules in force that the configuration has now, whenever its file changes or the process gets SIGHUP, which
 *  also begins the audit log anew. A configuration that can't be used changes nothing. Returns how to stop it. */
export function reloadOnChange({ configPath, source, running, log }: Reloading): () => void {
  const reload = () => {
    try {
      const { config } = loadConfig({ path: configPath, env: process.env })
      running.replaceRules(config)
      log.info({ config: source, rules: config.auth.rules?.length }, 'the rules were read again')
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      const problems = error.problems.map(({ path, message }) => `${path}: ${message}`)
      log.error({ config: source, problems }, 'the configuration cannot be used; the rules stay as they were')
    }
  }
  const onHangUp = () => {
    running.reopenLogs()
    reload()
  }
  process.on('SIGHUP', onHangUp)
  if (source !== undefined) watchFile(source, { interval: POLL_MS, persistent: false }, reload)
  return () => {
    process.off('SIGHUP', onHangUp)
    if (source !== undefined) unwatchFile(source, reload)
  }
}
