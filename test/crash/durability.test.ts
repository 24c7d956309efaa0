/** Nothing that one process says depends on what another one has still to do, or could not do. */
import { access, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { contentOf, imageManifest, mediaTypes, sha256 } from '../support/oci-image.ts'
import { seededRandom } from '../support/random.ts'
import type { RegistryClient } from '../support/registry-client.ts'
import { layoutRoot } from '../support/storage-tree.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { type Fault, TracedEntrepot } from './traced-entrepot.ts'

const bytes = seededRandom('layer').bytes(300_000)
const digest = sha256(bytes)
const hex = digest.slice('sha256:'.length)
const config = contentOf(Buffer.from('{}'), mediaTypes.config)
const layer = { ...contentOf(bytes, mediaTypes.plainLayer), diffId: digest }

const blobFile = `blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
const linkOf = (repository: string) => `repositories/${repository}/_layers/sha256/${hex}/link`
const tagOf = (repository: string, tag: string) =>
  `repositories/${repository}/_manifests/tags/${tag}/current/link`

describeWith(['strace'], 'of two processes on one folder', () => {
  let folder: TemporaryFolder
  let processes: AsyncDisposableStack
  beforeEach(async () => {
    folder = await temporaryFolder()
    processes = new AsyncDisposableStack()
  })
  afterEach(async () => {
    await processes.disposeAsync()
    await folder.remove()
  })

  const start = async (name: string, fault?: Fault) =>
    processes.use(await TracedEntrepot.start(folder.path, name, fault))
  const place = (file: string) => join(folder.path, 'data', layoutRoot, file)
  const faultOf = (file: string, kind: Fault['kind']): Fault => ({ folder: dirname(place(file)), kind })

  test('one pushes a blob whose sync does not end at the other', async () => {
    const stuck = await start('stuck', faultOf(blobFile, 'stuck'))
    const other = await start('other')
    const first = pushing(stuck.client, 'one')
    await standing(place(blobFile))
    await other.client.pushBlob('two', bytes)
    await other.expectSynced(blobFile)
    await other.expectSynced(linkOf('two'))
    expect(first.isAnswered).toBe(false)
  })

  test('one pushes an image on a link whose sync does not end at the other', async () => {
    const stuck = await start('stuck', faultOf(linkOf('a'), 'stuck'))
    const other = await start('other')
    await other.client.pushBlob('a', config.bytes)
    const first = pushing(stuck.client, 'a')
    await standing(place(linkOf('a')))
    expect(await other.client.hasBlob('a', digest)).toBe(true)
    await other.client.pushManifest('a', { reference: 'v1', manifest: imageManifest(config, [layer]) })
    await other.expectSynced(linkOf('a'))
    await other.expectSynced(tagOf('a', 'v1'))
    expect(first.isAnswered).toBe(false)
  })

  test('one pushes an image on a link whose sync has failed at the other', async () => {
    const failing = await start('failing', faultOf(linkOf('a'), 'failed once'))
    const other = await start('other')
    await other.client.pushBlob('a', config.bytes)
    await expect(failing.client.pushBlob('a', bytes)).rejects.toMatchObject({ status: 500 })
    if (!(await other.client.hasBlob('a', digest))) await other.client.pushBlob('a', bytes)
    await other.client.pushManifest('a', { reference: 'v1', manifest: imageManifest(config, [layer]) })
    await other.expectSynced(linkOf('a')) // which is written when the blob is durable
  })

  test.each(['the same process', 'the other'])(
    'a push is tried again at %s after a sync has failed',
    async (where) => {
      const failing = await start('failing', faultOf(blobFile, 'failed once'))
      await expect(failing.client.pushBlob('a', bytes)).rejects.toMatchObject({ status: 500 })
      if (where === 'the other') {
        const other = await start('other')
        await other.client.pushBlob('a', bytes)
        return other.expectSynced(blobFile)
      }
      const { ino } = await stat(place(blobFile))
      await failing.client.pushBlob('a', bytes)
      expect((await stat(place(blobFile))).ino).not.toBe(ino) // what a failed sync has left is not relied on
      const syncs = (await failing.calls()).filter(({ name }) => name === 'fsync')
      expect(syncs.map(({ result }) => result)).toEqual([-1, 0])
    },
  )

  test.each(['goes on', 'was killed'])('one finishes what the other has begun, which %s', async (then) => {
    const first = await start('first')
    const other = await start('other')
    const state = await first.client.sendChunk(await first.client.beginUpload('team/app'), bytes)
    if (then === 'was killed') await first.kill()
    await other.client.finishUpload(state, { digest })
    await other.expectSynced(blobFile)
    await other.expectSynced(linkOf('team/app'))
  })

  test('one finishes what was begun and written at the other, chunk by chunk', async () => {
    const [first, other] = [await start('first'), await start('other')]
    let state = await first.client.beginUpload('team/app')
    for (const [index, start] of [0, 100_000, 200_000].entries()) {
      const { client } = index % 2 === 0 ? other : first
      state = await client.sendChunk(state, bytes.subarray(start, start + 100_000))
    }
    await first.client.finishUpload(state, { digest })
    await first.expectSynced(blobFile)
    await first.expectSynced(linkOf('team/app'))
  })
})

/** A push that is not waited for. */
function pushing(client: RegistryClient, repository: string): { readonly isAnswered: boolean } {
  let isAnswered = false
  const answered = () => {
    isAnswered = true
  }
  client.pushBlob(repository, bytes).then(answered, () => undefined) // its process is killed in the end
  return {
    get isAnswered() {
      return isAnswered
    },
  }
}

/** Fulfilled when the file is there. */
function standing(file: string): Promise<void> {
  return expect
    .poll(
      () =>
        access(file).then(
          () => true,
          () => false,
        ),
      { timeout: 30_000, interval: 10 },
    )
    .toBe(true)
}
