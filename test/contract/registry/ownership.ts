import { describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { StorageError } from '../../../src/core/errors.ts'
import { collectAll, expectStorageError } from '../storage-driver/support.ts'
import { chunksOf, expectRegistryError, filesIn, pushBlob, type RegistryUnderTest } from './support.ts'

const hello = digestOf(Buffer.from('hello, world'))

export function describeOwnership(current: () => RegistryUnderTest): void {
  describe('an upload that has an owner', () => {
    const owner = 'user:alice'

    it('is continued by its owner, on another replica too, and leaves nothing behind', async () => {
      const upload = await current().repository('a').blobs.createUpload({ owner })
      await upload.append(chunksOf('hello, '))
      const { blobs } = await current().onOtherReplica('a')
      const resumed = await blobs.getUpload(upload.id, { owner })
      await resumed.append(chunksOf('world'), { last: true })
      await resumed.commit(hello)
      expect(
        Object.keys(await filesIn(current().driver)).filter((path) => path.includes('_uploads')),
      ).toEqual([])
    })

    it.each(['user:bob', 'robot:alice', 'user:alice2', 'user:', 'anonymous:', ''])(
      'is unknown to %j',
      async (stranger) => {
        const { blobs } = current().repository('a')
        const upload = await blobs.createUpload({ owner })
        await expectRegistryError(blobs.getUpload(upload.id, { owner: stranger }), 'BLOB_UPLOAD_UNKNOWN')
        const replica = await current().onOtherReplica('a')
        await expectRegistryError(
          replica.blobs.getUpload(upload.id, { owner: stranger }),
          'BLOB_UPLOAD_UNKNOWN',
        )
      },
    )

    it('is known to whoever asks for no owner: maintenance sees all', async () => {
      const { blobs } = current().repository('a')
      const upload = await blobs.createUpload({ owner })
      expect((await blobs.getUpload(upload.id)).id).toBe(upload.id)
      expect((await collectAll(current().registry.uploads())).map(({ id }) => id)).toEqual([upload.id])
    })

    it('does not begin without its owner on storage', async () => {
      const { driver } = current()
      driver.fault = ({ method, path }) =>
        method === 'put' && path.endsWith('/owner') ? new StorageError('BACKEND_FAILED', { path }) : undefined
      await expectStorageError(current().repository('a').blobs.createUpload({ owner }), 'BACKEND_FAILED')
      driver.fault = () => undefined
      // What is left can be found, and so it is purged.
      expect(await collectAll(current().registry.uploads())).toHaveLength(1)
    })

    it('whose owner a power cut has taken is nobody’s', async () => {
      const { driver } = current()
      const { blobs } = current().repository('a')
      const upload = await blobs.createUpload({ owner })
      await driver.put(`/docker/registry/v2/repositories/a/_uploads/${upload.id}/owner`, Buffer.of())
      await expectRegistryError(blobs.getUpload(upload.id, { owner }), 'BLOB_UPLOAD_UNKNOWN')
    })
  })

  it('an upload without an owner belongs to whoever knows its id', async () => {
    const { blobs } = current().repository('a')
    const upload = await blobs.createUpload()
    expect((await blobs.getUpload(upload.id, { owner: 'user:alice' })).id).toBe(upload.id)
  })

  it('a mount looks only where it may', async () => {
    const digest = await pushBlob(current().repository('secret'), 'content')
    const { blobs } = current().repository('b')
    const looked: string[] = []
    const mayLook = (name: string) => {
      looked.push(name)
      return name !== 'secret'
    }
    await expectRegistryError(blobs.mount(digest, mayLook), 'BLOB_UNKNOWN')
    expect(looked).toContain('secret')
    await pushBlob(current().repository('shared'), 'content')
    await blobs.mount(digest, mayLook)
    expect(await blobs.has(digest)).toBe(true)
  })
}
