export interface Stopping {
  gently(signal: NodeJS.Signals): Promise<void>
  /** Called before an immediate end. */
  atOnce?(): void
}

/** The first signal drains; a second one ends the process at once. */
export function stopOnSignal({ gently, atOnce }: Stopping): void {
  let stopping = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) {
        atOnce?.()
        process.exit(1)
      }
      stopping = true
      exitAfter(gently(signal))
    })
  }
}

/** Exits after stopping: with 0, or with 1 and the error. */
export function exitAfter(stopped: Promise<void>): void {
  stopped.then(
    () => process.exit(0),
    (error) => {
      process.stderr.write(`entrepot: stopping failed: ${error}\n`)
      process.exit(1)
    },
  )
}
