/** Real clients pull images whose layers and configuration they are sent to another server for. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { type FileServer, startFileServer } from '../../support/file-server.ts'
import type { Image } from '../../support/oci-image.ts'
import { writeLayout } from '../../support/oci-layout.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { run } from '../../support/tools.ts'
import { sampleImage } from './sample-images.ts'

let folder: TemporaryFolder
let files: FileServer
let registry: ServerProcess

beforeAll(async () => {
  folder = await temporaryFolder()
  const dataFolder = join(folder.path, 'data')
  files = await startFileServer(dataFolder)
  const middleware = { storage: [{ name: 'redirect', options: { baseurl: files.url } }] }
  registry = await startEntrepot({ dataFolder, configFolder: folder.path, config: { middleware } })
})
afterAll(async () => {
  await registry?.stop()
  await files?.[Symbol.asyncDispose]()
  await folder?.remove()
})

/** An image in a folder, for a client to push. */
async function imageIn(layout: string): Promise<Image> {
  const image = sampleImage(layout)
  await writeLayout(layout, { tag: 'v1', root: image })
  return image
}

/** That the client has every blob, and from where. */
async function expectPulled({ config, layers }: Image, pulled: string): Promise<void> {
  for (const { descriptor, bytes } of [config, ...layers]) {
    const hex = descriptor.digest.replace('sha256:', '')
    expect(await readFile(join(pulled, 'blobs/sha256', hex))).toEqual(bytes)
    expect(files.asked).toContain(`GET /docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`)
  }
}

describeWith(['crane'], 'crane behind redirects', () => {
  test('pulls what it has pushed', async () => {
    const [layout, pulled] = [join(folder.path, 'crane'), join(folder.path, 'crane-pulled')]
    const image = await imageIn(layout)
    const reference = `${registry.address}/crane/image:v1`
    await run('crane', ['--insecure', 'push', layout, reference])
    await run('crane', ['--insecure', 'pull', '--format=oci', reference, pulled])
    await expectPulled(image, pulled)
  })
})

describeWith(['skopeo'], 'skopeo behind redirects', () => {
  test('pulls what it has pushed', async () => {
    const [layout, pulled] = [join(folder.path, 'skopeo'), join(folder.path, 'skopeo-pulled')]
    const image = await imageIn(layout)
    const reference = `docker://${registry.address}/skopeo/image:v1`
    const copy = ['copy', '--insecure-policy', '--src-tls-verify=false', '--dest-tls-verify=false']
    await run('skopeo', [...copy, `oci:${layout}:v1`, reference])
    await run('skopeo', [...copy, reference, `oci:${pulled}:v1`])
    await expectPulled(image, pulled)
  })
})
