#!/usr/bin/env node
/** The executable: runs the command in argv. */

// A namespace import, because an older Node lacks one of the names: named imports would fail before the
// version check.
import * as nodeModule from 'node:module'
import { growYoungGeneration } from './lib/young-generation.ts'

/** The oldest supported version, as in `engines` of package.json. */
const OLDEST_NODE = 24

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  process.stderr.write(
    `entrepot: needs Node.js ${OLDEST_NODE} or later, and this is ${process.versions.node}\n`,
  )
  process.exit(1)
}

nodeModule.enableCompileCache()

// Otherwise Node would open a debugger, to which any local process could connect.
if (!process.execArgv.some((option) => option.startsWith('--inspect'))) process.on('SIGUSR1', () => {})

growYoungGeneration({ untilBytes: 4 * 1024 ** 2 })

// Storage I/O runs in these threads. The size of the pool is fixed at its first use.
process.env.UV_THREADPOOL_SIZE ??= '32'

const { exitCodeOf, run, UsageError } = await import('./cli/run.ts')

try {
  await run(process.argv.slice(2))
} catch (error) {
  // If stderr is closed, the message is lost.
  process.stderr.on('error', () => {})
  process.stderr.write(`entrepot: ${error instanceof Error ? error.message : String(error)}\n`)
  if (error instanceof UsageError) process.stderr.write('entrepot --help lists the commands\n')
  process.exitCode = exitCodeOf(error)
}
