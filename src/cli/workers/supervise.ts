import { startSupervisorServices } from '../../app.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { requestedTracing } from '../../config/tracing.ts'
import type { ProcessLog } from '../../observability/process-log.ts'
import { Supervisor } from '../../workers/supervisor.ts'
import { WORKER_COMMAND } from './worker-command.ts'

/** Time for a worker to end after its requests. */
const ENDING_MS = 5_000

/** Serves by several workers. This process starts and connects them, and runs the services that run once.
 *  @throws the error of a worker that can't serve; the others are ended then */
export async function supervise(
  { config, tree }: LoadedConfig,
  { count, processLog }: { count: number; processLog: ProcessLog },
) {
  const { log } = processLog
  const { supervisor, address } = await Supervisor.start({ count, command: [WORKER_COMMAND], tree, log })
  const snapshots = () => supervisor.snapshots()
  const services = await startSupervisorServices(config, {
    locks: supervisor.locks,
    snapshots,
    processLog,
    tracing: requestedTracing(process.env).settings,
  }).catch(async (error) => {
    await supervisor.abort()
    throw error
  })
  return {
    address,
    workers: count,
    async close() {
      await supervisor.close(config.http.draintimeout + ENDING_MS)
      await services.close()
    },
    kill: () => supervisor.kill(),
    reloadable: {
      renewRules: ({ tree: next }: Pick<LoadedConfig, 'tree'>) => supervisor.renew(next),
      reopenLogs() {
        services.reopenLogs()
        supervisor.reopenLogs()
      },
    },
  }
}
