import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { temporaryFolder } from '../../../../test/support/temporary-folder.ts'
import { FileCalls } from './file-calls.ts'
import { QuickCalls, type QuickCallsMode } from './quick-calls.ts'

async function callsOn(path: string, mode: QuickCallsMode) {
  const quick = new QuickCalls(path, mode)
  if (mode === 'auto') await vi.waitUntil(() => quick.isLocal, { timeout: 60_000, interval: 5 })
  const made = vi.spyOn(quick, 'make')
  return { calls: new FileCalls(quick), quick, made }
}

describe.each([
  ['synchronous', 'auto'],
  ['in the pool', 'never'],
] as const)('file calls that are %s', (_, mode) => {
  it('change names and look them up', async () => {
    await using folder = await temporaryFolder()
    const { calls, made } = await callsOn(folder.path, mode)
    const [below, file] = [`${folder.path}/below`, `${folder.path}/below/file`]
    await calls.mkdir(below)
    const fd = await calls.create(`${file}.tmp`)
    await calls.fill(fd, Buffer.from('content'))
    await calls.close(fd)
    await calls.rename(`${file}.tmp`, file)
    expect(await calls.readdir(below)).toEqual(['file'])
    expect((await calls.stat(file)).size).toBe(7)
    await calls.unlink(file)
    await calls.rmdir(below)
    expect(made.mock.calls.length > 0).toBe(mode === 'auto')
  })

  it('write all of the content, whatever its size', async () => {
    await using folder = await temporaryFolder()
    const { calls } = await callsOn(folder.path, mode)
    for (const size of [0, 1, 4096, 4097, 300_000]) {
      const file = `${folder.path}/${size}`
      const content = Buffer.alloc(size, `${size}`)
      const fd = await calls.create(file)
      await calls.fill(fd, content)
      await calls.close(fd)
      expect(readFileSync(file).equals(content)).toBe(true)
    }
  })

  it('reject with the errors of the system', async () => {
    await using folder = await temporaryFolder()
    const { calls } = await callsOn(folder.path, mode)
    const [present, absent] = [`${folder.path}/present`, `${folder.path}/absent`]
    await calls.mkdir(present)
    const outcomes = [
      calls.create(present),
      calls.mkdir(present),
      calls.rename(absent, present),
      calls.unlink(absent),
      calls.rmdir(absent),
      calls.stat(absent),
      calls.readdir(absent),
      calls.open(absent, 0),
    ].map((call) => call.catch(({ code }) => code))
    const missing = Array(6).fill('ENOENT')
    expect(await Promise.all(outcomes)).toEqual(['EEXIST', 'EEXIST', ...missing])
  })
})

it('a large file is removed in the pool', async () => {
  await using folder = await temporaryFolder()
  const { calls, made } = await callsOn(folder.path, 'auto')
  for (const [size, atOnce] of [
    [1024 * 1024, 2],
    [1024 * 1024 + 1, 1],
  ] as const) {
    const file = `${folder.path}/${size}`
    writeFileSync(file, '')
    truncateSync(file, size)
    made.mockClear()
    await calls.unlink(file)
    // The look at its size is made at once, whatever it is.
    expect([made.mock.calls.length, existsSync(file)]).toEqual([atOnce, false])
  }
})

it('file calls are left to the pool after one that took long', async () => {
  await using folder = await temporaryFolder()
  const { calls, quick, made } = await callsOn(folder.path, 'auto')
  quick.make(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 110))
  made.mockClear()
  await calls.mkdir(`${folder.path}/later`)
  expect(made).not.toHaveBeenCalled()
})
