import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../../../test/support/temporary-folder.ts'
import { SharedListings } from './shared-listings.ts'

let root: TemporaryFolder
let listings: SharedListings

beforeEach(async () => {
  root = await temporaryFolder()
  listings = new SharedListings()
})
afterEach(() => root.remove())

/** @param names of folders, if they end with a slash, and of files */
async function listingWith(folder: string, names: readonly string[]) {
  const location = join(root.path, folder)
  await mkdir(location)
  for (const name of names) {
    if (name.endsWith('/')) await mkdir(join(location, name))
    else await writeFile(join(location, name), '')
  }
  return listings.of(await readdir(location, { withFileTypes: true }))
}

it('is one listing for folders with the same entries, which needs no memory of its own', async () => {
  const one = await listingWith('one', ['_uploads/', '_layers/', '_manifests/'])
  expect(one?.entries).toEqual([
    { name: '_layers', kind: 'folder' },
    { name: '_manifests', kind: 'folder' },
    { name: '_uploads', kind: 'folder' },
  ])
  expect(await listingWith('other', ['_layers/', '_manifests/', '_uploads/'])).toBe(one)
  expect(one?.byteCount).toBe(0)
})

it.each([
  ['another name', ['a/', 'd/']],
  ['another kind', ['a/', 'b']],
  ['one more', ['a/', 'b/', 'c/']],
  ['one less', ['a/']],
])('is another one for a folder with %s', async (_difference, names) => {
  await listingWith('one', ['a/', 'b/'])
  const other = await listingWith('other', names)
  expect(
    Array.from(other?.entries ?? [], ({ name, kind }) => (kind === 'folder' ? `${name}/` : name)),
  ).toEqual(names)
})

it('is that of one folder if its names are long', async () => {
  const digest = 'a'.repeat(64)
  const one = await listingWith('one', [`${digest}/`])
  expect(await listingWith('other', [`${digest}/`])).not.toBe(one)
  expect(one?.byteCount).toBeGreaterThan(64)
})

it('is none if there are links', async () => {
  await listingWith('one', ['a'])
  const location = join(root.path, 'other')
  await mkdir(location)
  await symlink(join(root.path, 'one', 'a'), join(location, 'a'))
  expect(listings.of(await readdir(location, { withFileTypes: true }))).toBeUndefined()
})
