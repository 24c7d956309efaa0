import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TarTree } from './tar-tree.ts'
import { TAR_END, tarHeader, tarPadding } from './tar-writer.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
})

afterEach(() => rm(folder, { recursive: true }))

/** @param type of the header, as in ustar; `link` is what it leads to */
function entry(path: string, content: string, { type = '0', link = '' } = {}): Buffer {
  const bytes = Buffer.from(content)
  const header = tarHeader(path, bytes.length)
  header.write(type, 156)
  header.write(link, 157)
  header.write(' '.repeat(8), 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, bytes, tarPadding(bytes.length)])
}

async function treeOf(...entries: readonly Buffer[]): Promise<TarTree> {
  const path = join(folder, 'archive.tar')
  await writeFile(path, Buffer.concat([...entries, TAR_END]))
  return TarTree.open(path)
}

async function textIn(tree: TarTree, path: string, start = 0): Promise<string> {
  let text = ''
  for await (const chunk of tree.open(path, start)) text += Buffer.from(chunk).toString()
  return text
}

test('files are read from any byte on, also through links', async () => {
  const tree = await treeOf(
    entry('./a/layer.tar', 'content'),
    entry('b/layer.tar', '', { type: '2', link: '../a/layer.tar' }),
    entry('c', '', { type: '1', link: 'a/layer.tar' }),
    entry('folder/', '', { type: '5' }),
  )
  expect(await textIn(tree, 'a/layer.tar')).toBe('content')
  expect(await textIn(tree, 'b/layer.tar', 3)).toBe('tent')
  expect(await textIn(tree, 'c')).toBe('content')
  expect(await tree.size('c')).toBe(7)
  expect(await tree.size('folder')).toBeUndefined()
})

test('long names are read as pax and GNU write them', async () => {
  const long = 'x'.repeat(150)
  const record = `path=${long}\n`
  const length = `${record.length + 4}`
  const tree = await treeOf(
    entry('pax', `${length} ${record}`, { type: 'x' }),
    entry('short', 'one'),
    entry('././@LongLink', `${long}2\0`, { type: 'L' }),
    entry('short', 'two'),
  )
  expect(await textIn(tree, long)).toBe('one')
  expect(await textIn(tree, `${long}2`)).toBe('two')
})

test('what is no archive, or is cut off, is said; links in circles end', async () => {
  await writeFile(join(folder, 'text'), 'no archive'.repeat(100))
  await expect(TarTree.open(join(folder, 'text'))).rejects.toThrow('is no tar archive')
  const whole = entry('a', 'x'.repeat(2000))
  await writeFile(join(folder, 'cut'), whole.subarray(0, 1024))
  await expect(TarTree.open(join(folder, 'cut'))).rejects.toThrow('is cut off')
  const tree = await treeOf(
    entry('a', '', { type: '2', link: 'b' }),
    entry('b', '', { type: '2', link: 'a' }),
  )
  expect(await tree.size('a')).toBeUndefined()
})
