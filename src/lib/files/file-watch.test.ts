import { execFileSync } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import {
  appendFile,
  mkdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RecordedLog } from '../../../test/support/recorded-log.ts'
import { type TemporaryFolder, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { FileWatch, type FileWatchOptions, readFiles } from './file-watch.ts'

let folder: TemporaryFolder
let recorded: RecordedLog
const opened: FileWatch[] = []
beforeEach(async () => {
  folder = await temporaryFolder()
  recorded = await RecordedLog.start()
})
afterEach(async () => {
  for (const watch of opened.splice(0)) watch.close()
  await folder.remove()
})

const at = (name: string) => join(folder.path, name)

/** The contents reported for the files, as text or error codes. */
class Heard {
  readonly all: string[][] = []
  readonly #events = new EventEmitter()

  readonly hear: FileWatchOptions['onChange'] = (contents) => {
    this.all.push(contents.map((one) => (one instanceof Error ? String(one.code) : String(one))))
    this.#events.emit('heard')
  }

  async until(count: number): Promise<string[][]> {
    while (this.all.length < count) await once(this.#events, 'heard')
    return this.all
  }
}

async function watch(paths: readonly string[], options: Partial<FileWatchOptions> = {}) {
  const heard = new Heard()
  const made = new FileWatch({
    paths,
    known: await readFiles(paths),
    onChange: heard.hear,
    log: recorded.log,
    pollMs: 20,
    stillMs: 40,
    ...options,
  })
  opened.push(made)
  return { watch: made, heard }
}

test('a change is heard of once it has stood still, and only once', async () => {
  await writeFile(at('a'), 'one')
  const { watch: watching, heard } = await watch([at('a')], { stillMs: 200 })
  await watching.refresh()
  const changedAt = performance.now()
  await writeFile(at('a'), 'two')
  expect(await heard.until(1)).toEqual([['two']])
  expect(performance.now() - changedAt).toBeGreaterThan(190)
  await watching.refresh()
  await writeFile(at('a'), 'three')
  expect(await heard.until(2)).toEqual([['two'], ['three']])
})

test('nothing is heard of what is written slowly, before it is whole', async () => {
  const lines = Array.from({ length: 30 }, (_, index) => `line ${index}\n`)
  await writeFile(at('a'), lines.join(''))
  const { heard } = await watch([at('a')], { stillMs: 1000 })
  await truncate(at('a'))
  for (const line of lines) {
    await appendFile(at('a'), line)
    await delay(50)
  }
  await appendFile(at('a'), 'the end')
  expect(await heard.until(1)).toEqual([[`${lines.join('')}the end`]])
})

test('other bytes of the same number, with the same times, are another content', async () => {
  const long = new Date(0)
  await writeFile(at('a'), 'one')
  await utimes(at('a'), long, long)
  const { heard } = await watch([at('a')])
  await writeFile(at('a'), 'two')
  await utimes(at('a'), long, long)
  expect(await heard.until(1)).toEqual([['two']])
})

test('a file that is replaced by another one, and links that are turned, are seen', async () => {
  for (const version of ['1', '2']) {
    await mkdir(at(`..${version}`))
    for (const name of ['a', 'b']) await writeFile(at(`..${version}/${name}`), name + version)
  }
  await symlink('..1', at('..data'))
  for (const name of ['a', 'b']) await symlink(`..data/${name}`, at(name))
  const { heard } = await watch([at('a'), at('b')])
  await symlink('..2', at('..data_tmp'))
  await rename(at('..data_tmp'), at('..data'))
  expect(await heard.until(1)).toEqual([['a2', 'b2']])
  await writeFile(at('new'), 'a3')
  await rename(at('new'), at('a'))
  expect(await heard.until(2)).toEqual([
    ['a2', 'b2'],
    ['a3', 'b2'],
  ])
})

test('of files that belong together no half is heard of', async () => {
  await writeFile(at('a'), 'a1')
  await writeFile(at('b'), 'b1')
  const { heard } = await watch([at('a'), at('b')], { stillMs: 1000 })
  await writeFile(at('a'), 'a2')
  await delay(100)
  await writeFile(at('b'), 'b2')
  expect(await heard.until(1)).toEqual([['a2', 'b2']])
})

test('so are a file that is gone, and one that is back', async () => {
  await writeFile(at('a'), 'one')
  const { heard } = await watch([at('a')])
  await rm(at('a'))
  await heard.until(1)
  await writeFile(at('a'), 'one')
  expect(await heard.until(2)).toEqual([['ENOENT'], ['one']])
})

test('what has changed since it was read first is heard of, too', async () => {
  await writeFile(at('a'), 'two')
  const { heard } = await watch([at('a')], { known: [Buffer.from('one')] })
  expect(await heard.until(1)).toEqual([['two']])
})

test('the same content is no change, unless it is asked for', async () => {
  await writeFile(at('a'), 'one')
  const { watch: watching, heard } = await watch([at('a')])
  await utimes(at('a'), new Date(), new Date())
  await watching.refresh()
  expect(heard.all).toEqual([])
  await watching.reread()
  expect(heard.all).toEqual([['one']])
  await watching.refresh()
  expect(heard.all).toEqual([['one']])
})

test('what stands in the place of a file neither blocks nor fills the memory', async () => {
  await writeFile(at('a'), 'one')
  const { heard } = await watch([at('a')], { maxBytes: 1024 })
  await rm(at('a'))
  await mkdir(at('a'))
  await heard.until(1)
  await rm(at('a'), { recursive: true })
  execFileSync('mkfifo', [at('a')])
  await heard.until(2)
  await rm(at('a'))
  await writeFile(at('a'), 'x'.repeat(1025))
  await heard.until(3)
  await rm(at('a'))
  await symlink('/dev/zero', at('a'))
  expect(await heard.until(4)).toEqual([['EISDIR'], ['EINVAL'], ['EFBIG'], ['EINVAL']])
})

test('one who asks does not wait for ever for what never stands still', async () => {
  await writeFile(at('a'), '')
  const { watch: watching, heard } = await watch([at('a')], { stillMs: 300, pollMs: 1_000_000 })
  let isOver = false
  const writing = (async () => {
    while (!isOver) {
      await appendFile(at('a'), 'x')
      await delay(10)
    }
  })()
  await expect.poll(() => readFile(at('a'), 'utf8')).not.toBe('')
  await watching.refresh()
  expect(heard.all).toEqual([])
  isOver = true
  await writing
  await heard.until(1)
})

test('whatever who hears of it throws is in the log, and it goes on', async () => {
  await writeFile(at('a'), 'one')
  const heard = new Heard()
  await watch([at('a')], {
    onChange(contents) {
      heard.hear(contents)
      if (String(contents[0]) === 'bad') throw new RangeError('Maximum call stack size exceeded')
    },
  })
  await writeFile(at('a'), 'bad')
  expect(await recorded.until('Maximum call stack size exceeded')).toContain(at('a'))
  await writeFile(at('a'), 'good')
  expect(await heard.until(2)).toEqual([['bad'], ['good']])
})

test('a content that nobody is writing is taken at once', async () => {
  await writeFile(at('a'), 'one')
  const { watch: watching, heard } = await watch([at('a')], { stillMs: 1_000_000, pollMs: 1_000_000 })
  await writeFile(at('a'), 'two')
  await watching.readNow()
  expect(heard.all).toEqual([['two']])
})

test('once it is closed it is over, also for those who wait', async () => {
  await writeFile(at('a'), 'one')
  const { watch: watching, heard } = await watch([at('a')], { stillMs: 1_000_000 })
  await writeFile(at('a'), 'two')
  const waiting = watching.refresh()
  watching.close()
  await waiting
  expect(heard.all).toEqual([])
})
