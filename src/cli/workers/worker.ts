import { type RunningRegistry, startRegistry } from '../../app.ts'
import { configOf } from '../../config/load.ts'
import { ProcessLog } from '../../observability/process-log.ts'
import { SupervisorChannel } from '../../workers/supervisor-channel.ts'
import { logPlatformWarnings } from '../platform-warnings.ts'
import { exitAfter, stopOnSignal } from '../stop-on-signal.ts'

interface Serving {
  readonly running: RunningRegistry
  readonly processLog: ProcessLog
}

/** Serves as one of several processes, until its supervisor tells it to stop or is gone.
 *  @returns false in a process that has no supervisor */
export async function work(): Promise<boolean> {
  const channel = SupervisorChannel.open()
  if (channel === undefined) return false
  const serving = await Promise.race([begin(channel), channel.ending.then(() => undefined)])
  // Before it serves there is nothing to finish.
  if (serving === undefined) process.exit(0)
  const { metrics } = serving.running
  if (metrics !== undefined) channel.whenMeasured(() => metrics.snapshot())
  channel.whenRenewed((tree) => renew(serving, tree))
  channel.whenToReopenLogs(() => serving.running.reopenLogs())
  // The supervisor's business, though a terminal sends it to all.
  process.on('SIGHUP', () => {})
  channel.listening(serving.running.address)
  endWhenDue(channel, serving)
  return true
}

/** The supervisor has tried out what it sends; if a worker cannot take it all the same, it goes on as it was. */
function renew({ running, processLog }: Serving, tree: unknown): void {
  try {
    running.replaceRules(configOf(tree))
  } catch (err) {
    processLog.log.error({ err }, 'the rules cannot be used; those before them stay in force')
  }
}

async function begin(channel: SupervisorChannel): Promise<Serving> {
  const config = configOf(await channel.join())
  const fields = { ...config.log.fields, worker: channel.id }
  const processLog = await ProcessLog.open({ ...config.log, fields })
  logPlatformWarnings(processLog.log)
  try {
    const running = await startRegistry(config, processLog, { peers: channel, locks: channel })
    return { running, processLog }
  } catch (error) {
    await channel.failed(describe(error))
    process.exit(1)
  }
}

/** A signal of its own ends it as gently: then the supervisor puts another in its place. */
function endWhenDue(channel: SupervisorChannel, { running, processLog }: Serving): void {
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= running.close().then(() => processLog.close())
    return closed
  }
  stopOnSignal({ gently: close })
  channel.ending.then((reason) => {
    if (reason === 'supervisor gone') processLog.log.error({}, 'the supervisor is gone: draining')
    exitAfter(close())
  })
}

/** node:cluster leaves out what the system calls an error. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && error.code === 'EADDRINUSE'
    ? `${error.message}: address already in use`
    : error.message
}
