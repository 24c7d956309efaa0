import { writeFile } from 'node:fs/promises'
import { afterEach, expect, test, vi } from 'vitest'
import { RecordedLog } from '../../test/support/recorded-log.ts'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { openSecrets } from './endpoint-files.ts'
import { configOf } from './load.ts'

afterEach(() => {
  vi.useRealTimers()
})

const LATER_MS = 6_000
const [first, second] = [1, 2].map((byte) => Buffer.alloc(32, byte)) as [Buffer, Buffer]

async function start(content: string) {
  const folder = await temporaryFolder()
  const file = `${folder.path}/secrets`
  await writeFile(file, content)
  const storage = { inmemory: {} }
  const endpoints = [{ name: 'a', url: 'http://a/', secretfiles: [file] }]
  const { notifications } = configOf({ version: '0.1', storage, notifications: { endpoints } })
  const log = await RecordedLog.start()
  vi.useFakeTimers({ toFake: ['performance'] })
  const open = () =>
    openSecrets(notifications.endpoints[0]!, { key: 'notifications.endpoints[0]', log: log.log })
  return { file, log, open, [Symbol.asyncDispose]: () => folder.remove() }
}

test.each([
  ['', 'secretfiles: a file has no secret'],
  ['\n \n', 'secretfiles: a file has no secret'],
  ['hunter2', 'secretfiles: a line is no secret of 24 to 64 bytes in base64'],
])('a file with %j is refused at the start', async (content, message) => {
  await using run = await start(content)
  await expect(run.open()).rejects.toThrow(`notifications.endpoints[0].${message}`)
})

test.each(['', 'hunter2'])(
  'a file that becomes %j changes nothing, which is logged once',
  async (content) => {
    await using run = await start(first.toString('base64'))
    const { file, log } = run
    const secrets = await run.open()
    await writeFile(file, content)
    for (let round = 0; round < 3; round++) {
      vi.advanceTimersByTime(LATER_MS)
      expect(await secrets()).toEqual([first])
    }
    expect(log.lines.filter((line) => line.includes('are not read any more'))).toHaveLength(1)
    expect(log.lines.join('')).not.toContain('hunter2')
    await writeFile(file, second.toString('base64'))
    vi.advanceTimersByTime(LATER_MS)
    expect(await secrets()).toEqual([second])
  },
)
