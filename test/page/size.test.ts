/** How much a browser loads: the budgets of docs/web.md, in bytes as they are sent with gzip. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'

const FIRST_LOAD = 40_000
const ROUTE = 10_000

let folder: string
let sizes: Map<string, number>
let document: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-page-'))
  await build({ root: fileURLToPath(new URL('../../ui', import.meta.url)), build: { outDir: folder } })
  document = await readFile(join(folder, 'index.html'), 'utf8')
  const files = (await readdir(join(folder, 'assets'))).filter((name) => name.endsWith('.gz'))
  sizes = new Map()
  for (const name of files)
    sizes.set(name.slice(0, -3), (await readFile(join(folder, 'assets', name))).length)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('the first load, with what the first view needs, is at most 40 kB', () => {
  const first = [...sizes].filter(([name]) => document.includes(name))
  expect(first.length).toBeGreaterThanOrEqual(2)
  const sum = first.reduce((total, [, size]) => total + size, document.length)
  expect(sum).toBeLessThanOrEqual(FIRST_LOAD)
})

test('each view that is loaded later is at most 10 kB', () => {
  const later = [...sizes].filter(([name]) => !document.includes(name))
  expect(later.length).toBeGreaterThanOrEqual(3)
  expect(later.filter(([, size]) => size > ROUTE)).toEqual([])
})

test('the document has no inline script or style, and names nothing elsewhere', () => {
  expect(document).not.toMatch(/<style|style=|<script(?![^>]*\bsrc=)|\bon\w+=|https?:/)
})
