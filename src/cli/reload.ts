import { statSync } from 'node:fs'
import { isAuthEnabled } from '../auth/is-auth-enabled.ts'
import { Rules } from '../auth/rules.ts'
import { MAX_CONFIG_BYTES } from '../config/file.ts'
import { ConfigError, type LoadedConfig, loadConfig } from '../config/load.ts'
import { RestartNeededError, renewed } from '../config/renewal.ts'
import type { Log } from '../core/log.ts'
import { type FileContent, FileWatch } from '../lib/files/file-watch.ts'

/** The serving process, or its workers, and what they can reload. */
export interface Reloadable {
  /** Applies the rules of a configuration. */
  renewRules(loaded: Pick<LoadedConfig, 'config' | 'tree'>): void
  /** Reopens log files that were rotated. */
  reopenLogs(): void
}

export interface Reloading {
  readonly reloadable: Reloadable
  readonly log: Log
}

/** Reloads the rules when the configuration's files have changed and are stable, or on SIGHUP, which also
 *  reopens the audit log. A configuration that is invalid, or restricts access less, changes nothing: the
 *  latter needs a restart. Returns a function that stops it. */
export function reloadOnChange(started: LoadedConfig, { reloadable, log }: Reloading): () => void {
  const reload = new Reload(started, { reloadable, log })
  // Files that can be read only once, such as pipes, never change.
  const paths = [...started.files.keys()].filter((path) =>
    statSync(path, { throwIfNoEntry: false })?.isFile(),
  )
  const watch = new FileWatch({
    paths,
    known: paths.map((path) => Buffer.from(started.files.get(path)!)),
    onChange: (contents) => reload.take(new Map(paths.map((path, index) => [path, contents[index]!]))),
    log,
    maxBytes: MAX_CONFIG_BYTES,
  })
  const onHangUp = () => {
    reloadable.reopenLogs()
    void watch.reread()
  }
  process.on('SIGHUP', onHangUp)
  return () => {
    process.off('SIGHUP', onHangUp)
    watch.close()
  }
}

/** The current configuration and its successors. */
class Reload {
  readonly #started: LoadedConfig
  readonly #reloading: Reloading
  #inForce: LoadedConfig

  constructor(started: LoadedConfig, reloading: Reloading) {
    this.#started = started
    this.#reloading = reloading
    this.#inForce = started
  }

  /** Applies changed files. Their problems are logged and change nothing.
   *  @param contents the present contents */
  take(contents: ReadonlyMap<string, FileContent>): void {
    const { log } = this.#reloading
    const config = this.#started.source
    try {
      const before = this.#inForce.config.auth.rules?.length
      this.#use(this.#read(contents))
      const rules = this.#inForce.config.auth.rules?.length
      log.info({ config, rules, before }, 'the rules were reloaded')
    } catch (error) {
      if (error instanceof RestartNeededError) {
        log.error(
          { config, reason: error.message },
          'access control cannot be added or removed without a restart; the old rules stay in force',
        )
      } else {
        log.error(
          { config, problems: problemsOf(error) },
          'the configuration is invalid; the old rules stay in force',
        )
      }
    }
  }

  #read(contents: ReadonlyMap<string, FileContent>): LoadedConfig {
    const { source: path, files } = this.#started
    const readFile = (named: string): string => {
      const content = contents.get(named) ?? files.get(named) ?? missing(named)
      if (content instanceof Error) throw content
      return String(content)
    }
    return loadConfig({ path, env: process.env, readFile })
  }

  /** Applies a configuration.
   *  @throws ConfigError, RestartNeededError, or an unexpected error */
  #use(next: LoadedConfig): void {
    requireEnd(next, this.#inForce)
    if (!isAuthEnabled(this.#started.config.auth) && isAuthEnabled(next.config.auth))
      throw new RestartNeededError('access control was added')
    const { tree, config, later } = renewed(this.#inForce.tree, next.tree)
    if (later.length > 0) this.#reloading.log.warn({ keys: later }, 'new keys need a restart')
    // Validated here, so that workers don't fail.
    new Rules(config.auth)
    this.#reloading.reloadable.renewRules({ tree, config })
    this.#inForce = { ...next, tree, config }
  }
}

/** Rejects a file that is cut off: its last key or list entry may be incomplete.
 *  @throws ConfigError if the line end of the previous file is missing */
function requireEnd({ source, files }: LoadedConfig, before: LoadedConfig): void {
  if (source === undefined || files.get(source)?.endsWith('\n') || !before.files.get(source)?.endsWith('\n'))
    return
  throw new ConfigError([
    { path: source, message: 'has no line end at its end, unlike before: it may be cut off' },
  ])
}

function problemsOf(error: unknown): string[] {
  if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path}: ${message}`)
  return [error instanceof Error ? error.message : String(error)]
}

function missing(path: string): Error {
  return Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' })
}
