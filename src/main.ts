#!/usr/bin/env node
/** The executable: argv to a command. */

// Not by its names, of which an older Node lacks one: it could not even say that it is too old.
import * as nodeModule from 'node:module'
import { setFlagsFromString } from 'node:v8'

/** As `engines` in package.json says. */
const OLDEST_NODE = 24

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  process.stderr.write(
    `entrepot: needs Node.js ${OLDEST_NODE} or later, and this is ${process.versions.node}\n`,
  )
  process.exit(1)
}

nodeModule.enableCompileCache()

// Node would open a debugger, to which everybody on this machine could connect.
if (!process.execArgv.some((option) => option.startsWith('--inspect'))) process.on('SIGUSR1', () => {})

// A body comes in as many buffers of 64 KiB whose memory lies outside the heap. While the young generation is small they
// are freed as soon as they are done with; once it has grown, they wait for full collections, which takes an upload twice
// the CPU and half as much memory again. Set later it has no effect; it costs the start a tenth.
setFlagsFromString('--semi-space-growth-factor=1')

// Storage work waits for the disk in these threads. The pool takes its size when it is first used.
process.env.UV_THREADPOOL_SIZE ??= '32'

const { run, UsageError } = await import('./cli/run.ts')

try {
  await run(process.argv.slice(2))
} catch (error) {
  // Where it can't be said, there is nobody to say that to.
  process.stderr.on('error', () => {})
  process.stderr.write(`entrepot: ${error instanceof Error ? error.message : String(error)}\n`)
  if (error instanceof UsageError) process.stderr.write('entrepot --help says what there is\n')
  process.exitCode = error instanceof UsageError ? 2 : 1
}
