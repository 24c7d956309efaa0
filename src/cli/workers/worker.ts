import { type RunningRegistry, startRegistry } from '../../app.ts'
import { configOf } from '../../config/load.ts'
import { requestedTracing } from '../../config/tracing.ts'
import { ProcessLog } from '../../observability/process-log.ts'
import { SupervisorChannel } from '../../workers/supervisor-channel.ts'
import { logPlatformWarnings } from '../platform-warnings.ts'
import { exitAfter, stopOnSignal } from '../stop-on-signal.ts'

interface Serving {
  readonly running: RunningRegistry
  readonly processLog: ProcessLog
}

/** Serves as a worker until its supervisor stops it or ends.
 *  @returns false in a process without a supervisor */
export async function work(): Promise<boolean> {
  const channel = SupervisorChannel.open()
  if (channel === undefined) return false
  const serving = await Promise.race([begin(channel), channel.ending.then(() => undefined)])
  // Before it serves there are no requests to drain.
  if (serving === undefined) process.exit(0)
  const { metrics } = serving.running
  if (metrics !== undefined) channel.whenMeasured(() => metrics.snapshot())
  channel.whenRenewed((tree) => renew(serving, tree))
  channel.whenToReopenLogs(() => serving.running.reopenLogs())
  // Handled by the supervisor, though a terminal sends it to all.
  process.on('SIGHUP', () => {})
  channel.listening(serving.running.address)
  endWhenDue(channel, serving)
  return true
}

/** Reloads. The supervisor has validated the configuration; if it fails here all the same, the old one stays
 *  in use. */
function renew({ running, processLog }: Serving, tree: unknown): void {
  try {
    running.replaceRules(configOf(tree))
  } catch (err) {
    processLog.log.error({ err }, 'the new rules are invalid; the old ones stay in force')
  }
}

async function begin(channel: SupervisorChannel): Promise<Serving> {
  const config = configOf(await channel.join())
  const fields = { ...config.log.fields, worker: channel.id }
  const processLog = await ProcessLog.open({ ...config.log, fields })
  logPlatformWarnings(processLog.log)
  try {
    const running = await startRegistry(config, processLog, {
      workerGroup: { peers: channel, locks: channel },
      tracing: requestedTracing(process.env).settings,
    })
    return { running, processLog }
  } catch (error) {
    await channel.failed(describe(error))
    process.exit(1)
  }
}

/** Drains after the supervisor's message, or a signal; after a signal the supervisor starts another
 *  worker. */
function endWhenDue(channel: SupervisorChannel, { running, processLog }: Serving): void {
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= running.close().then(() => processLog.close())
    return closed
  }
  stopOnSignal({ gently: close })
  channel.ending.then((reason) => {
    if (reason === 'supervisor gone') processLog.log.error({}, 'the supervisor has ended: draining')
    exitAfter(close())
  })
}

/** node:cluster drops the system's error code. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && error.code === 'EADDRINUSE'
    ? `${error.message}: address already in use`
    : error.message
}
