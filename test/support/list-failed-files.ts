/** Prints the files that failed in one of vitest's JSON reports, a line each. The argument is the report's path. */
import { readFileSync } from 'node:fs'
import { failedFiles } from './test-report.ts'

const report = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
process.stdout.write(
  failedFiles(report)
    .map((file) => `${file}\n`)
    .join(''),
)
