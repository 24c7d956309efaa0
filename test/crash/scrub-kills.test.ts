/** A scrub that dies at any call of the storage is finished by the next one; and two processes that scrub one folder. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Quarantine } from '../../src/core/collection/quarantine.ts'
import { type Digest, digestOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { scrubState } from '../../src/core/scrub/scrub-state.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { run } from '../../src/maintenance/runner.ts'
import { Scrub, type ScrubReport } from '../../src/maintenance/scrub/scrub.ts'
import { blobPath } from '../../src/registry/paths.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { collectAll } from '../contract/storage-driver/support.ts'
import { imageOf, push } from '../gc/untagged-images.ts'
import { runEntrepot } from '../support/command.ts'
import { copiedDriver } from '../support/copied-driver.ts'
import { HttpRegistry, quiet } from '../support/http-registry.ts'
import { interruptedDriver } from '../support/interrupted-driver.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const image = imageOf('image')
const [config, layer] = image.blobs.map((blob) => digestOf(Buffer.from(blob))) as [Digest, Digest]

async function fill(driver: StorageDriver): Promise<void> {
  const registry = await HttpRegistry.start({ driver })
  await push(registry, 'a', { manifest: image, reference: 'v1' })
  await registry.stop()
}

async function damage(driver: StorageDriver): Promise<void> {
  for (const digest of [config, layer]) await driver.put(blobPath(digest), Buffer.from('damaged'))
}

async function scrub(driver: StorageDriver, from: StorageDriver): Promise<ScrubReport> {
  const { collectable: content } = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet })
  const one = new Scrub({ content, from, pace: 0, saveMs: 0 })
  await run(one.steps(), { log: quiet, dryRun: false })
  return one.report
}

test.each([0, 1] as const)('it dies before and after calls in turn (%i)', async (parity) => {
  // The other storage has one of the two blobs.
  const from = new MemoryDriver()
  await from.put(blobPath(layer), Buffer.from(image.blobs[1] as string))
  const filled = new MemoryDriver()
  await fill(filled)
  await damage(filled)
  let isDead = true
  let call = 1
  for (; isDead; call++) {
    const when = call % 2 === parity ? 'before' : 'after'
    const driver = await copiedDriver(filled)
    const interrupted = interruptedDriver(driver, { call, when })
    await Promise.race([scrub(interrupted.driver, from), interrupted.death])
    isDead = interrupted.isDead()
    const { findings } = isDead ? await scrub(driver, from) : { findings: [{ name: config }] }
    const at = `${when} call ${call}`
    expect([at, findings.some(({ name }) => name === config)]).toEqual([at, true])
    expect([at, Buffer.from(await driver.get(blobPath(layer))).toString()]).toEqual([at, image.blobs[1]])
    await expect(driver.stat(blobPath(config))).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' })
    expect(await collectAll(new Quarantine(driver).find(config, 'damaged'))).toHaveLength(1)
    expect((await scrubState(driver).get())?.state.phase).toBe('done')
  }
  expect(call).toBeGreaterThan(20)
})

test('of two processes that scrub one folder one takes a damaged blob away', async () => {
  await using folder = await temporaryFolder()
  const root = join(folder.path, 'data')
  const driver = await FilesystemDriver.open({ root })
  await fill(driver)
  await driver.put(blobPath(layer), Buffer.from('damaged'))
  const file = join(folder.path, 'config.yml')
  const storage = { filesystem: { rootdirectory: root } }
  await writeFile(file, JSON.stringify({ version: 0.1, storage, http: { addr: '127.0.0.1:0' } }))
  const scrubbing = [1, 2].map(() => runEntrepot(['scrub', file, '--json'], { timeoutMs: 120_000 }))
  const ended = await Promise.all(scrubbing)
  expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
    { code: 3, stderr: '' },
    { code: 3, stderr: '' },
  ])
  const lines = ended.flatMap(({ stdout }) => stdout.trim().split('\n'))
  expect(lines.filter((line) => line.includes('set aside'))).toHaveLength(1)
  expect(await collectAll(new Quarantine(driver).find(layer))).toHaveLength(1)
  await expect(driver.stat(blobPath(layer))).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' })
})
