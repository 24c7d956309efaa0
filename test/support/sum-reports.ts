/** Adds up vitest's JSON reports in a folder and prints one line: `N passed, N failed, N skipped`. The second argument is
 *  how many steps failed: formatting, types, or a suite that could not begin have no failed test, but they failed.
 *
 *  `<suite>.again.json` is the report of the files that failed in `<suite>.json`, run a second time: its failures count
 *  instead of the first ones, and each test that passed only then is named before the sum. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { failedTests, type Report } from './test-report.ts'

const AGAIN = '.again.json'
const [folder = '.', failedSteps = '0'] = process.argv.slice(2)

const read = (name: string): Report => JSON.parse(readFileSync(join(folder, name), 'utf8'))
let [passed, failed, skipped] = [0, 0, 0]
for (const name of readdirSync(folder)) {
  if (!name.endsWith('.json') || name.endsWith(AGAIN)) continue
  const first = read(name)
  const againName = name.replace(/\.json$/, AGAIN)
  const last = existsSync(join(folder, againName)) ? read(againName) : first
  passed += first.numPassedTests + first.numFailedTests - last.numFailedTests
  failed += last.numFailedTests
  skipped += first.numPendingTests
  const stillFailed = new Set(failedTests(last))
  for (const test of failedTests(first)) {
    if (!stillFailed.has(test)) process.stdout.write(`flaky, passed only at the second try: ${test}\n`)
  }
}
process.stdout.write(
  `${passed} passed, ${Math.max(failed, Number(failedSteps))} failed, ${skipped} skipped\n`,
)
