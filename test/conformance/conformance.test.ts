import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startRegistry } from '../support/registry-under-test.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { type ConformanceCase, runConformance } from './suite.ts'

describeWith(['conformance'], 'the OCI conformance suite', () => {
  for (const version of ['1.1', 'dev']) describe(`version ${version}`, () => conformsTo(version))
})

function conformsTo(version: string): void {
  let folder: TemporaryFolder
  let server: ServerProcess
  let cases: ConformanceCase[]

  beforeAll(async () => {
    folder = await temporaryFolder()
    server = await startRegistry({ dataFolder: join(folder.path, 'data'), configFolder: folder.path })
    const resultsFolder = process.env.CONFORMANCE_RESULTS ?? folder.path
    const results = join(resultsFolder, `conformance-${version}`)
    cases = await runConformance({ version, address: server.address, resultsFolder: results })
    process.stdout.write(`\nOCI conformance ${version}: ${summary(cases)}\n`)
  })
  afterAll(async () => {
    await server?.stop()
    await folder?.remove()
  })

  test('the suite ran', () => {
    expect(cases.length).toBeGreaterThan(500)
  })

  test('nothing fails', () => {
    const failures = cases.filter(({ status }) => status === 'failure' || status === 'error')
    expect(failures.map(described)).toEqual([])
  })

  test('nothing is skipped', () => {
    const skipped = cases.filter(({ status }) => status === 'skipped')
    expect(skipped.map(described)).toEqual([])
  })
}

function summary(cases: readonly ConformanceCase[]): string {
  const count = (...statuses: ConformanceCase['status'][]) =>
    cases.filter(({ status }) => statuses.includes(status)).length
  return `${count('passed')} passed, ${count('failure', 'error')} failed, ${count('skipped')} skipped`
}

function described({ name, message }: ConformanceCase): string {
  return `${name}: ${message}`
}
