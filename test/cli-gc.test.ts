/** The commands that look into what is stored, and what a collection says of it. */
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { digestOf } from '../src/core/digest.ts'
import { blobPath } from '../src/registry/paths.ts'
import { FilesystemDriver } from '../src/storage/filesystem.ts'
import { imageOf, indexOf, push } from './gc/untagged-images.ts'
import { entrepotMain, runEntrepot } from './support/command.ts'
import { HttpRegistry } from './support/http-registry.ts'
import { type TemporaryFolder, temporaryFolder } from './support/temporary-folder.ts'
import { findTool, run } from './support/tools.ts'

const image = imageOf('image')
const index = indexOf(image)
const layer = digestOf(Buffer.from('layer of image'))
const untagged = imageOf('untagged')
const garbage = Buffer.from('of no manifest')

let folder: TemporaryFolder
let driver: FilesystemDriver
let config: string
beforeAll(async () => {
  folder = await temporaryFolder()
  const rootdirectory = `${folder.path}/data`
  driver = await FilesystemDriver.open({ root: rootdirectory })
  const registry = await HttpRegistry.start({ driver, collection: true })
  await push(registry, 'team/app', { manifest: image })
  await push(registry, 'team/app', { manifest: index, reference: 'v1' })
  await push(registry, 'team/app', { manifest: untagged })
  await registry.client.pushBlob('team/app', garbage)
  await delay(20)
  const gc = { enabled: true, schedule: '0 3 * * *', grace: '0s', untagged: true }
  config = `${folder.path}/config.yml`
  const storage = { filesystem: { rootdirectory }, maintenance: { gc } }
  const auth = { audit: { path: `${folder.path}/audit.log` } }
  await writeFile(config, JSON.stringify({ version: 0.1, storage, auth, http: { addr: '127.0.0.1:0' } }))
})
afterAll(() => folder.remove())

/** The audit log. */
async function audited(): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(`${folder.path}/audit.log`, 'utf8')).split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line))
}

const entrepot = (...args: string[]) => runEntrepot([...args, config], { timeoutMs: 120_000 })

test('why says what keeps content, or that nothing does', async () => {
  const kept = ['team/app:v1', digestOf(index.bytes), digestOf(image.bytes), layer]
  expect(await entrepot('why', layer)).toEqual({
    code: 0,
    stdout: `${kept.map((one, depth) => '  '.repeat(depth) + one).join('\n')}\n`,
    stderr: '',
  })
  const unkept = await entrepot('why', `team/app@${digestOf(untagged.bytes)}`)
  expect(unkept.code).toBe(3)
  expect(unkept.stdout).toMatch(
    /^nothing keeps it \(\d+ bytes\), it goes at \d{4}-\d\d-\d\dT\d\d:00:00\.000Z\n$/,
  )
  expect(await entrepot('why', 'team/app:v2')).toEqual({
    code: 1,
    stdout: 'team/app:v2 is not there\n',
    stderr: '',
  })
  expect(await entrepot('why', 'team/app:v1')).toMatchObject({
    code: 0,
    stdout: `team/app:v1\n  ${digestOf(index.bytes)}\n`,
  })
  expect(await entrepot('why', 'team/app')).toMatchObject({ code: 1, stdout: 'team/app is not there\n' })
  expect((await entrepot('why', 'Team')).code).toBe(2)
})

test('verify names what is missing or damaged', async () => {
  expect(await entrepot('verify', 'team/app:v1')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^2 manifests and 2 blobs, \d+ bytes: 0 findings\n$/),
  })
  const bytes = await driver.get(blobPath(layer))
  await driver.put(blobPath(layer), Buffer.from('damaged'))
  const { code, stdout } = await entrepot('verify', 'team/app', '--json')
  expect(code).toBe(3)
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines).toMatchObject([{ name: layer, problem: 'its bytes are damaged' }, { findings: 1 }])
  await driver.put(blobPath(layer), bytes)
})

const hasTerminals = findTool('script') !== undefined
describe.skipIf(!hasTerminals)(
  `on a terminal${hasTerminals ? '' : ' (skipped: `script` is not installed)'}`,
  () => {
    const onTerminal = (command: string) =>
      run('script', ['-qec', `${process.execPath} ${entrepotMain} ${command}`, '/dev/null'])

    test('a bar shows phase, rate and time left, and is gone in the end', async () => {
      await using other = await temporaryFolder()
      const rootdirectory = `${other.path}/data`
      const pool = await FilesystemDriver.open({ root: rootdirectory })
      const total = 2_200 // after the first batch the bar is drawn several times, every quarter of a second
      for (let count = 0; count < total; count++) {
        const bytes = Buffer.from(`garbage ${count}`)
        await pool.put(blobPath(digestOf(bytes)), bytes, { durable: false })
      }
      // Nobody pushes, so nothing is waited for.
      const storage = { filesystem: { rootdirectory }, maintenance: { readonly: { enabled: true } } }
      const file = `${other.path}/config.yml`
      await writeFile(file, JSON.stringify({ version: 0.1, storage, http: { addr: '127.0.0.1:0' } }))
      const output = await onTerminal(`gc ${file} --grace 0s --pace 1000 --quiet`)
      expect(output).toMatch(/reading manifests: 0, 0 a second, 0s/)
      expect(output).toMatch(/█+░* deleting: 1000, \d+ a second, \d+s, \d+s left/)
      expect(output.trimEnd()).toMatch(
        new RegExp(`\\x1b\\[K[^█]*${total} of ${total} blobs deleted, \\d+ bytes$`),
      )
    })

    test('JSON has lines alone', async () => {
      expect(await onTerminal(`gc --dry-run --json ${config}`)).toMatch(/^(\{.*\}\r?\n)+$/)
    })
  },
)

test('a run says in JSON what a dry run has said', async () => {
  const held = untagged.bytes.length + untagged.blobs.join('').length
  const { code, stdout, stderr } = await entrepot('gc', '--dry-run', '--json')
  expect([code, stderr]).toEqual([0, ''])
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const reason = expect.any(String)
  expect(lines).toContainEqual({ action: 'delete', digest: digestOf(garbage), bytes: 14, reason })
  const manifest = { repository: 'team/app', digest: digestOf(untagged.bytes), bytes: held, reason }
  expect(lines).toContainEqual({ action: 'remove manifest', ...manifest })
  expect(lines.at(-1)).toEqual({
    ...{ action: 'total', dryRun: true, blobs: 8, deletedBlobs: 4, deletedBytes: held + garbage.length },
    ...{ rescuedBlobs: 0, restoredBlobs: 0, removedManifests: 1, postponedManifests: 0, findings: [] },
  })
})

test('a manifest that cannot be read is named, and the exit status is 3', async () => {
  const path = blobPath(digestOf(image.bytes))
  await driver.put(path, Buffer.from('damaged'))
  const { code, stdout } = await entrepot('gc', '--dry-run')
  await driver.put(path, image.bytes)
  expect(code).toBe(3)
  expect(stdout).toContain(
    `team/app@${digestOf(image.bytes)} can't be read (its bytes are damaged): the repository keeps all its blobs\n`,
  )
})

test('where nothing can be collected, the reason is said, and the exit status is 1', async () => {
  const file = `${folder.path}/without.yml`
  const storage = { filesystem: { rootdirectory: `${folder.path}/data` } }
  await writeFile(file, JSON.stringify({ version: 0.1, storage, http: { addr: '127.0.0.1:0' } }))
  const { code, stdout, stderr } = await runEntrepot(['gc', file])
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toContain('gc.enabled')
})

test('a dry run and a run say alike what goes, why, and what only it holds', async () => {
  const held = untagged.bytes.length + untagged.blobs.join('').length
  const reason = 'no tag, no index and no subject keeps it'
  const line = `team/app@${digestOf(untagged.bytes)} ${held} bytes that only it holds: ${reason}\n`
  const dry = await entrepot('garbage-collect', '--dry-run')
  expect([dry.code, dry.stderr]).toEqual([0, ''])
  expect(dry.stdout).toContain(line)
  expect(dry.stdout).toContain(`${digestOf(garbage)} 14 bytes: no manifest refers to it\n`)
  // As cron jobs of Distribution have it.
  const totals = dry.stdout.split('\n').slice(-3).join('\n')
  for (const options of [
    ['-d', '-m', '-q'],
    ['--dry-run', '--delete-untagged', '--quiet'],
  ])
    expect(await entrepot('garbage-collect', ...options)).toEqual({ code: 0, stdout: totals, stderr: '' })
  const real = await entrepot('gc')
  expect([real.code, real.stderr]).toEqual([0, ''])
  expect(real.stdout).toBe(dry.stdout.replaceAll('would be ', ''))
  const lines = await audited()
  const blobs = Number(/^(\d+) of \d+ blobs deleted/m.exec(real.stdout)?.[1])
  expect(lines).toHaveLength(1 + blobs)
  expect(lines).toContainEqual(expect.objectContaining({ action: 'collect', digest: digestOf(garbage) }))
  expect(lines).toContainEqual(
    expect.objectContaining({ repository: 'team/app', digest: digestOf(untagged.bytes) }),
  )
  expect((await entrepot('verify', 'team/app')).code).toBe(0)
})

test('scrub names what is damaged, takes it out of service, and heals it from another storage', async () => {
  expect(await entrepot('scrub', '--pace', '0')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/manifests in 1 repositories: 0 damaged, 0 healed, 0 findings\n$/),
    stderr: '',
  })
  const backup = `${folder.path}/backup.yml`
  const rootdirectory = `${folder.path}/backup`
  await writeFile(
    backup,
    JSON.stringify({
      version: 0.1,
      storage: { filesystem: { rootdirectory } },
      http: { addr: '127.0.0.1:0' },
    }),
  )
  const intact = await driver.get(blobPath(layer))
  await driver.put(blobPath(layer), Buffer.from('damaged'))
  const damaged = await entrepot('scrub', '--json')
  expect(damaged.code).toBe(3)
  const lines = damaged.stdout.trim().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { name: layer, outcome: 'set aside' },
    { repository: 'team/app', name: layer, problem: 'its bytes are missing' },
    { action: 'total', damagedBlobs: 1, healedBlobs: 0, findings: 2 },
  ])
  await expect(driver.get(blobPath(layer))).rejects.toThrow()
  await (await FilesystemDriver.open({ root: rootdirectory })).put(blobPath(layer), intact)
  const healed = await entrepot('scrub', '--from', backup)
  expect(healed.stdout).toContain(
    `team/app: ${layer}: its bytes are missing; healed from the other storage\n`,
  )
  expect(await driver.get(blobPath(layer))).toEqual(intact)
  expect((await audited()).slice(-2)).toMatchObject([
    { action: 'scrub', digest: layer },
    { action: 'scrub', digest: layer },
  ])
  expect((await entrepot('scrub', '--pace', 'fast')).code).toBe(2)
})
