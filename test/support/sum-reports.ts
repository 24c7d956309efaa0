/** Adds up vitest's JSON reports in a folder and prints one line: `N passed, N failed, N skipped`. The second argument is
 *  how many steps failed: formatting, types, or a suite that could not begin have no failed test, but they failed. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
}

const [folder = '.', failedSteps = '0'] = process.argv.slice(2)
const reports = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name): Report => JSON.parse(readFileSync(join(folder, name), 'utf8')))

const sum = (count: keyof Report) => reports.reduce((total, report) => total + report[count], 0)

const failed = Math.max(sum('numFailedTests'), Number(failedSteps))
process.stdout.write(`${sum('numPassedTests')} passed, ${failed} failed, ${sum('numPendingTests')} skipped\n`)
