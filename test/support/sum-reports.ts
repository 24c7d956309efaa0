/** Adds up vitest's JSON reports in a folder and prints one line: `N passed, N failed, N skipped`. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numFailedTestSuites: number
  readonly numPendingTests: number
}

const folder = process.argv[2] ?? '.'
const reports = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name): Report => JSON.parse(readFileSync(join(folder, name), 'utf8')))

const sum = (count: keyof Report) => reports.reduce((total, report) => total + report[count], 0)

// A suite that could not begin has no failed test, but it failed.
const failed = sum('numFailedTests') || sum('numFailedTestSuites')
process.stdout.write(`${sum('numPassedTests')} passed, ${failed} failed, ${sum('numPendingTests')} skipped\n`)
