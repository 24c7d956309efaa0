export interface Stopping {
  gently(signal: NodeJS.Signals): Promise<void>
  /** What is left to do when the process ends here and now. */
  atOnce?(): void
}

/** The first signal stops gently; a second one, from somebody who can't wait, at once. */
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

/** Ends the process when it has been stopped: with 0, or with 1 and the reason when it could not be. */
export function exitAfter(stopped: Promise<void>): void {
  stopped.then(
    () => process.exit(0),
    (error) => {
      process.stderr.write(`entrepot: stopping failed: ${error}\n`)
      process.exit(1)
    },
  )
}
