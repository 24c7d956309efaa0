import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { startRegistry } from '../app.ts'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { requestedTracing } from '../config/tracing.ts'
import { version } from '../lib/version.ts'
import { ProcessLog } from '../observability/process-log.ts'
import { banner } from './banner.ts'
import { atMostOne, parseCommand } from './parse-command.ts'
import { logPlatformWarnings } from './platform-warnings.ts'
import { type Reloadable, reloadOnChange } from './reload.ts'
import { removeStaleSocket } from './stale-socket.ts'
import { stopOnSignal } from './stop-on-signal.ts'
import type { CommandModule } from './table/command.ts'

/** Runs the registry until it is stopped. */
export async function serve(configPath: string | undefined): Promise<void> {
  const loaded = loadConfig({ path: configPath, env: process.env })
  const processLog = await ProcessLog.open(loaded.config.log)
  try {
    await serveWith(loaded, processLog)
  } catch (error) {
    await processLog.close()
    throw error
  }
}

async function serveWith(loaded: LoadedConfig, processLog: ProcessLog): Promise<void> {
  const { config, source, warnings } = loaded
  const { log } = processLog
  logPlatformWarnings(log)
  for (const { path, message } of warnings) log.warn({ key: path }, message)
  for (const { variable, message } of requestedTracing(process.env).warnings)
    log.warn({ key: variable }, message)
  if (config.http.net === 'unix') await removeStaleSocket(config.http.addr)
  const starting = start(loaded, processLog)
  let serving: Serving | undefined
  let stopReloading = () => {}
  stopOnSignal({
    async gently(signal) {
      log.info({ signal, drainMs: config.http.draintimeout }, 'draining')
      // Requests are served before the start is complete, and must not be cut off.
      const { close } = await starting
      stopReloading()
      await close()
      log.info({}, 'stopped')
      await processLog.close()
    },
    atOnce: () => serving?.kill(),
  })
  serving = await starting
  const { address, workers, reloadable } = serving
  stopReloading = reloadOnChange(loaded, { reloadable, log })
  const facts = {
    address,
    storage: describeStorage(config),
    config: source ?? 'built-in defaults',
  }
  if (config.log.formatter === 'text' && processLog.isTerminal) processLog.print(banner(facts))
  log.info({ ...facts, version: await version(), pid: process.pid, workers }, 'listening')
}

interface Serving {
  readonly address: string
  /** Number of workers, if there are several. */
  readonly workers?: number
  close(): Promise<void>
  /** Ends the workers, which would outlive this process. */
  kill(): void
  readonly reloadable: Reloadable
}

/** Starts serving in this process, or in workers, whose code is loaded only then. */
async function start(loaded: LoadedConfig, processLog: ProcessLog): Promise<Serving> {
  const { config } = loaded
  const count = workerCount(config)
  if (count > 1) return (await import('./workers/supervise.ts')).supervise(loaded, { count, processLog })
  const tracing = requestedTracing(process.env).settings
  const running = await startRegistry(config, processLog, { tracing })
  return {
    address: running.address,
    close: () => running.close(),
    kill: () => {},
    reloadable: {
      renewRules: ({ config: next }) => running.replaceRules(next),
      reopenLogs: () => running.reopenLogs(),
    },
  }
}

/** Number of workers. Storage in memory can be served by one process only. */
function workerCount({ http: { workers }, storage }: Config): number {
  if (workers !== 'auto') return workers
  return storage.inmemory === undefined ? availableParallelism() : 1
}

function describeStorage({ storage }: Config): string {
  const { filesystem, s3, azure, gcs } = storage
  if (filesystem !== undefined) return resolve(filesystem.rootdirectory)
  if (s3 !== undefined) return `s3://${s3.bucket}${inBucket(s3)}`
  if (gcs !== undefined) return `gs://${gcs.bucket}${inBucket(gcs)}`
  return azure === undefined ? 'memory' : `azure container ${azure.container}${inBucket(azure)}`
}

function inBucket({ rootdirectory }: { rootdirectory: string }): string {
  const below = rootdirectory.replace(/^\/+|\/+$/g, '')
  return below === '' ? '' : `/${below}`
}

const HELP = `entrepot serve [config.yml]

Runs the registry until it gets SIGTERM or SIGINT. SIGHUP reads accounts and certificates again. docs/configuration.md has the keys.
`

export const command: CommandModule = {
  help: HELP,
  options: {},
  async run(args) {
    const parsed = parseCommand(args, { help: HELP, options: {} })
    if (parsed !== undefined) await serve(atMostOne(parsed.positionals))
  },
}
