/** The command that starts a worker. */
export const WORKER_COMMAND = 'worker'
