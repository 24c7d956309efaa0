import { join } from 'node:path'
import { describe } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startRegistry as startEntrepot } from '../../support/registry-under-test.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { oneReadsTheOther, type Place } from './one-reads-the-other.ts'
import { population } from './population.ts'

describeWith(['docker-registry'], 'one folder under Distribution and Entrepot', () => {
  const pushed = population()
  describe('what Distribution wrote, for Entrepot', () => {
    oneReadsTheOther({ startWriter: startDistribution, startReader: startEntrepot, openPlace, pushed })
  })
  describe('what Entrepot wrote, for Distribution', () => {
    oneReadsTheOther({ startWriter: startEntrepot, startReader: startDistribution, openPlace, pushed })
  })
})

async function openPlace(): Promise<Place> {
  const folder = await temporaryFolder()
  const options = { dataFolder: join(folder.path, 'data'), configFolder: folder.path }
  return { options, [Symbol.asyncDispose]: folder.remove }
}
