/** The word that makes a process a worker. */
export const WORKER_COMMAND = 'worker'
