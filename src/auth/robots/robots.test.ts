import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RecordedLog } from '../../../test/support/recorded-log.ts'
import { type TemporaryFolder, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { Robots } from './robots.ts'
import { formatRobots, hashSecret, type Robot } from './robots-file.ts'

const createdAt = new Date().toISOString()
const robot = (name: string): Robot => ({
  name,
  secret: hashSecret(name),
  repositories: ['**'],
  actions: ['pull'],
  createdAt,
})

let folder: TemporaryFolder
let recorded: RecordedLog
let robots: Robots | undefined
beforeEach(async () => {
  folder = await temporaryFolder()
  recorded = await RecordedLog.start()
})
afterEach(async () => {
  robots?.close()
  await folder.remove()
})

const path = () => join(folder.path, 'robots.json')

async function open(): Promise<Robots> {
  robots = await Robots.open({ path: path(), log: recorded.log, onChange() {} })
  return robots
}

const two = formatRobots([robot('one'), robot('two')])

test.each([
  ['is emptied', ''],
  ['is cut off', two.slice(0, -20)],
  ['is nonsense', '[]'],
  ['has robots with unknown keys', two.replace('"createdAt"', '"made"')],
  ['is gone', undefined],
])('a file that %s keeps its robots, and the log says so', async (_what, text) => {
  await writeFile(path(), two)
  const opened = await open()
  if (text === undefined) await rm(path())
  else await writeFile(path(), text)
  expect(await opened.verify('robot+two', 'two')).toMatchObject({ name: 'two' })
  await recorded.until('its previous content stays in use')
  await writeFile(path(), formatRobots([robot('one')]))
  expect(await opened.verify('robot+two', 'two')).toBeUndefined()
  expect(await opened.verify('robot+one', 'one')).toMatchObject({ name: 'one' })
})

test('all are revoked by a list of none', async () => {
  await writeFile(path(), two)
  const opened = await open()
  await writeFile(path(), formatRobots([]))
  expect(await opened.verify('robot+one', 'one')).toBeUndefined()
  expect(await recorded.until('reloaded, because it has changed')).toContain(
    '"robots":0,"before":{"robots":2}',
  )
})

test('there are none until the file is there', async () => {
  const opened = await open()
  expect(await opened.verify('robot+one', 'one')).toBeUndefined()
  await writeFile(path(), two)
  expect(await opened.verify('robot+one', 'one')).toMatchObject({ name: 'one' })
})
