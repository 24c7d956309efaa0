import { unwatchFile, watchFile } from 'node:fs'
import { isGuarded } from '../auth/is-guarded.ts'
import { ConfigError, type LoadedConfig, loadConfig } from '../config/load.ts'
import { copyTree, isTree, type Tree } from '../config/tree.ts'
import type { Log } from '../core/log.ts'

/** What serves, in this process or in others, and what of it can be made anew. */
export interface Reloadable {
  /** Puts the rules in force that a configuration has. */
  renewRules(loaded: Pick<LoadedConfig, 'config' | 'tree'>): void
  /** Begins files anew that were moved away. */
  reopenLogs(): void
}

export interface Reloading {
  readonly configPath: string | undefined
  readonly reloadable: Reloadable
  readonly log: Log
}

/** How often it is looked whether the file has changed. */
const POLL_MS = 1000

/** Puts the rules in force that the configuration has now, whenever its file changes or the process gets SIGHUP, which
 *  also begins the audit log anew. A configuration that can't be used changes nothing. Returns how to stop it. */
export function reloadOnChange(
  started: LoadedConfig,
  { configPath, reloadable, log }: Reloading,
): () => void {
  const { source } = started
  const reload = () => {
    try {
      const { config, tree } = loadConfig({ path: configPath, env: process.env })
      if (isGuarded(config.auth) !== isGuarded(started.config.auth)) {
        log.error(
          { config: source },
          'auth was added or taken away: that needs a restart; nothing has changed',
        )
        return
      }
      reloadable.renewRules({ config, tree: withRulesOf(started.tree, tree) })
      log.info({ config: source, rules: config.auth.rules?.length }, 'the rules were read again')
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      const problems = error.problems.map(({ path, message }) => `${path}: ${message}`)
      log.error({ config: source, problems }, 'the configuration cannot be used; the rules stay as they were')
    }
  }
  const onHangUp = () => {
    reloadable.reopenLogs()
    reload()
  }
  process.on('SIGHUP', onHangUp)
  if (source !== undefined) watchFile(source, { interval: POLL_MS, persistent: false }, reload)
  return () => {
    process.off('SIGHUP', onHangUp)
    if (source !== undefined) unwatchFile(source, reload)
  }
}

const RENEWED = ['rules', 'groups']

/** All as it was when it was read first, but the rules: a process that starts later has the same as the others. */
function withRulesOf(first: Tree, next: Tree): Tree {
  const merged = copyTree(first)
  const [to, from] = [merged.auth, next.auth]
  if (!isTree(to) || !isTree(from)) return merged
  for (const key of RENEWED) {
    if (from[key] === undefined) delete to[key]
    else to[key] = from[key]
  }
  return merged
}
