import { describe, expect, it } from 'vitest'
import { collectAll } from '../storage-driver/support.ts'
import { pushBlob, pushManifest, type RegistryUnderTest, ROOT, uploadOf } from './support.ts'

/** In byte order, which is not the order in which a walk of the folders finds them. */
const names = ['a', 'a-b', 'a-b/c', 'a.b', 'a/b', 'a/b-c', 'a/b/c', 'a0', 'b/c/d', 'b0/x', 'ba']

export function describeCatalog(current: () => RegistryUnderTest): void {
  describe('the catalog', () => {
    it('of an empty registry is empty', async () => {
      expect(await collectAll(current().registry.repositories())).toEqual([])
      expect(await collectAll(current().registry.uploads())).toEqual([])
    })

    it('lists the repositories in the byte order of their whole names', async () => {
      for (const name of [...names].reverse()) await pushBlob(current().repository(name), 'content')
      expect(await collectAll(current().registry.repositories())).toEqual(names)
    })

    it('goes on behind any name, whether there is such a repository or not', async () => {
      for (const name of names) await pushBlob(current().repository(name), 'content')
      for (const text of [
        ...names,
        'a-',
        'a-b0',
        'a/',
        'a/b/',
        'a/b/cc',
        'b',
        'b/c',
        '0',
        'z',
        'b0',
        'a.b/c',
      ]) {
        const expected = names.filter((name) => name > text)
        expect(await collectAll(current().registry.repositories({ after: text })), text).toEqual(expected)
      }
    })

    it('does not look into what stands wholly before the name it goes on behind', async () => {
      const { driver, registry } = current()
      for (const name of ['a/b', 'c/d', 'e/f']) await pushBlob(current().repository(name), 'content')
      driver.forget()
      await collectAll(registry.repositories({ after: 'd' }))
      const listed = driver.calls.filter(({ method }) => method === 'list').map(({ path }) => path)
      expect(listed).not.toContain(`${ROOT}/repositories/a/b`)
      expect(listed).not.toContain(`${ROOT}/repositories/c/d`)
    })

    it('has a repository with manifests only, and one with blobs only', async () => {
      const { driver } = current()
      await pushManifest(current().repository('manifests'), 'image')
      await driver.delete(`${ROOT}/repositories/manifests/_layers`)
      await pushBlob(current().repository('blobs'), 'content')
      expect(await collectAll(current().registry.repositories())).toEqual(['blobs', 'manifests'])
      for (const name of ['blobs', 'manifests']) expect(await current().repository(name).exists()).toBe(true)
    })

    it('has neither the folders between nor repositories of which only uploads are there', async () => {
      const upload = await uploadOf(current().repository('uploads/only'), 'content')
      await pushBlob(current().repository('x/y'), 'content')
      expect(await collectAll(current().registry.repositories())).toEqual(['x/y'])
      for (const name of ['x', 'uploads', 'uploads/only', 'nothing']) {
        expect(await current().repository(name).exists(), name).toBe(false)
      }
      expect((await collectAll(current().registry.uploads())).map(({ id }) => id)).toEqual([upload.id])
    })

    it('the uploads of all repositories are listed, each as it stands', async () => {
      await pushBlob(current().repository('a'), 'content')
      const begun = [
        await uploadOf(current().repository('a'), 'hello'),
        await current().repository('a').blobs.createUpload(),
        await uploadOf(current().repository('a/b'), 'hello, world'),
      ]
      const listed = await collectAll(current().registry.uploads())
      const facts = ({ id, repository, size }: (typeof listed)[number]) => ({ id, repository, size })
      const byId = (one: { id: string }, other: { id: string }) => one.id.localeCompare(other.id)
      expect(listed.map(facts).sort(byId)).toEqual(begun.map(facts).sort(byId))
    })

    it('leaves out folders whose names no repository can have', async () => {
      const { driver, registry } = current()
      await pushBlob(current().repository('a'), 'content')
      for (const name of ['A', 'a..b', '-a', 'a/B', '_odd']) {
        await driver.put(`${ROOT}/repositories/${name}/_layers/sha256/x`, Buffer.from('x'))
      }
      await driver.put(`${ROOT}/repositories/file`, Buffer.from('x'))
      expect(await collectAll(registry.repositories())).toEqual(['a'])
    })

    it('a repository named like a folder of another is one of its own', async () => {
      await pushBlob(current().repository('a'), 'content')
      await pushBlob(current().repository('a/sha256/tags/revisions'), 'content')
      expect(await collectAll(current().registry.repositories())).toEqual(['a', 'a/sha256/tags/revisions'])
    })
  })
}
