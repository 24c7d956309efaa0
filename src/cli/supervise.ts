import { startMaintenance } from '../app.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Log } from '../core/log.ts'
import { Supervisor } from '../workers/supervisor.ts'
import { WORKER_COMMAND } from './run.ts'

/** How much longer than its requests a worker may take to end. */
const ENDING_MS = 5_000

/** Serves by several processes. This one starts them, joins them, and does what is to be done once for all of them.
 *  @throws whatever keeps one of them from serving; none is left then */
export async function supervise({ config, tree }: LoadedConfig, { count, log }: { count: number; log: Log }) {
  const { supervisor, address } = await Supervisor.start({ count, command: [WORKER_COMMAND], tree, log })
  const maintenance = await startMaintenance(config, log, supervisor.locks)
  return {
    address,
    workers: count,
    async close() {
      await supervisor.close(config.http.draintimeout + ENDING_MS)
      await maintenance.close()
    },
    kill: () => supervisor.kill(),
  }
}
