import { expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { COLLECTIONS } from '../../core/collection/collection-state.ts'
import { type Digest, digestOf, hexOf } from '../../core/digest.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { FilesystemDriver } from '../../storage/filesystem.ts'
import { MemoryDriver } from '../../storage/memory.ts'
import { ManifestEdges, type ManifestEdgesOptions } from './manifest-edges.ts'

const FOLDER = `${COLLECTIONS}/edges`
const digest = (name: string) => digestOf(Buffer.from(name))
const references = (name: string) => [digest(name), digest(`layer of ${name}`)]
const prefixes = (digests: readonly Digest[]) => digests.map((one) => hexOf(one).slice(0, 16)).join('')

async function filled(storage: StorageDriver, names: readonly string[]): Promise<ManifestEdges> {
  const edges = await loaded(storage)
  for (const name of names) {
    edges.add(digest(name), references(name))
    await edges.save()
  }
  await edges.save({ isLast: true })
  return edges
}

async function loaded(
  storage: StorageDriver,
  options: ManifestEdgesOptions = { isSaved: true },
): Promise<ManifestEdges> {
  const edges = new ManifestEdges(storage, options)
  await edges.load()
  return edges
}

async function filesOf(storage: StorageDriver): Promise<string[]> {
  const names: string[] = []
  try {
    for await (const { name } of storage.list(FOLDER)) names.push(name)
  } catch {}
  return names
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `manifest ${from + index}`)

test('what manifests refer to is known at once, and by a later collection', async () => {
  const storage = new MemoryDriver()
  const names = numbered(0, 4_500)
  const edges = await filled(storage, names)
  expect(await filesOf(storage)).toHaveLength(3)
  edges.add(digest('a moment ago'), references('a moment ago'))
  for (const known of [edges, await loaded(storage)])
    for (const name of names)
      expect(known.get(digest(name))?.toString('hex')).toBe(prefixes(references(name)))
  expect(edges.get(digest('a moment ago'))?.toString('hex')).toBe(prefixes(references('a moment ago')))
  expect(edges.get(digest('another'))).toBeUndefined()
})

test('files of any size are loaded from a disk', async () => {
  await using folder = await temporaryFolder()
  const storage = await FilesystemDriver.open({ root: folder.path })
  const manifests = [1, 140_000, 2].map((count, number) => ({
    manifest: digest(`manifest of size ${number}`),
    layers: Array.from({ length: count }, (_, index) => digest(`layer ${index % 1_000} of ${number}`)),
  }))
  for (const { manifest, layers } of manifests) {
    const edges = await loaded(storage)
    edges.add(manifest, layers)
    await edges.save({ isLast: true })
  }
  expect(await filesOf(storage)).toHaveLength(manifests.length)
  const edges = await loaded(storage)
  for (const { manifest, layers } of manifests)
    expect(edges.get(manifest)?.toString('hex') === prefixes(layers)).toBe(true)
})

test('few files are made of many, without manifests that nobody asks for', async () => {
  const storage = new MemoryDriver()
  for (const name of numbered(0, 70)) await filled(storage, [name])
  expect(await filesOf(storage)).toHaveLength(70)
  const edges = await loaded(storage)
  for (const name of numbered(0, 30)) edges.get(digest(name))
  await edges.release()
  expect(await filesOf(storage)).toHaveLength(1)
  const later = await loaded(storage)
  const isKnown = numbered(0, 70).map((name) => later.get(digest(name)) !== undefined)
  expect(isKnown).toEqual(numbered(0, 70).map((_, index) => index < 30))
})

test('what is beyond the limit of memory stays on storage', async () => {
  const storage = new MemoryDriver()
  for (const name of numbered(0, 70)) await filled(storage, [name])
  const edges = await loaded(storage, { isSaved: true, maxHeldBytes: 200 })
  const known = numbered(0, 70).filter((name) => edges.get(digest(name)) !== undefined)
  expect(known).toHaveLength(4)
  await edges.release()
  expect(await filesOf(storage)).toHaveLength(70)
})

test('a dry run writes nothing', async () => {
  const storage = new MemoryDriver()
  const edges = await loaded(storage, { isSaved: false })
  edges.add(digest('one'), references('one'))
  await edges.save({ isLast: true })
  expect(edges.get(digest('one'))?.toString('hex')).toBe(prefixes(references('one')))
  await edges.release()
  expect(await filesOf(storage)).toEqual([])
})

test('a file that is damaged, or of another form, is not believed', async () => {
  const storage = new MemoryDriver()
  const text = Buffer.from(`${hexOf(digest('one'))} ${hexOf(digest('layer')).slice(0, 16)}\n`)
  await storage.put(`${FOLDER}/${hexOf(digestOf(text))}`, text)
  await filled(storage, ['two'])
  for (const name of await filesOf(storage)) {
    const content = Buffer.from(await storage.get(`${FOLDER}/${name}`))
    if (content.equals(text)) continue
    content[content.length - 1]! ^= 1
    await storage.put(`${FOLDER}/${name}`, content)
  }
  const edges = await loaded(storage)
  expect([edges.get(digest('one')), edges.get(digest('two'))]).toEqual([undefined, undefined])
})
