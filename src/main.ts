#!/usr/bin/env node
/** The executable: argv to a command. */

import { enableCompileCache } from 'node:module'

enableCompileCache()

// Storage work waits for the disk in these threads. The pool takes its size when it is first used.
process.env.UV_THREADPOOL_SIZE ??= '32'

const { run, UsageError } = await import('./cli/run.ts')

try {
  await run(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`entrepot: ${error instanceof Error ? error.message : String(error)}\n`)
  if (error instanceof UsageError) process.stderr.write('entrepot --help says what there is\n')
  process.exitCode = error instanceof UsageError ? 2 : 1
}
