import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { sha256 } from '../../support/oci-image.ts'
import { writeLayout } from '../../support/oci-layout.ts'
import { run } from '../../support/tools.ts'
import { expectIndexServed, expectServed } from './expectations.ts'
import { useRegistry } from './registry-in-use.ts'
import { sampleImage, sampleIndex } from './sample-images.ts'

describeWith(['regctl'], 'regctl', () => {
  const registry = useRegistry()
  let environment: Record<string, string> = {}
  const regctl = (...args: string[]) => run('regctl', args, { environment })

  beforeAll(async () => {
    const folder = await registry.newFolder('regctl')
    environment = { REGCTL_CONFIG: join(folder, 'config.json') }
    for (const address of [registry.address, registry.recorded.address]) {
      await regctl('registry', 'set', address, '--tls=disabled', '--skip-check')
    }
  })

  async function pushSample(repository: string, address = registry.address) {
    const image = sampleImage(repository)
    const layout = await registry.newFolder(`${repository}-layout`)
    await writeLayout(layout, { tag: 'v1', root: image })
    await regctl('image', 'copy', `ocidir://${layout}:v1`, `${address}/${repository}:v1`)
    return image
  }

  test('pushes an image of several layers and checks it', async () => {
    const image = await pushSample('regctl/image')
    await expectServed(image, { client: registry.client, repository: 'regctl/image' })
    const reference = `${registry.address}/regctl/image:v1`
    const { digest } = image.manifest.descriptor
    expect(await regctl('image', 'digest', reference)).toBe(`${digest}\n`)
    await regctl('image', 'export', reference, join(await registry.newFolder('regctl-export'), 'image.tar'))
  })

  test('pushes an index for two platforms and finds one of them', async () => {
    const index = sampleIndex('regctl/index')
    const layout = await registry.newFolder('regctl-index')
    await writeLayout(layout, { tag: 'v1', root: index })
    const reference = `${registry.address}/regctl/index:v1`
    await regctl('image', 'copy', `ocidir://${layout}:v1`, reference)
    await expectIndexServed(index, { client: registry.client, repository: 'regctl/index' })
    const arm = await regctl('manifest', 'head', '--platform=linux/arm64', reference)
    expect(arm.trim()).toBe(index.images[1]?.manifest.descriptor.digest)
  })

  test('copies between repositories by mounting', async () => {
    const proxy = registry.recorded
    const image = await pushSample('regctl/from', proxy.address)
    await regctl('image', 'copy', `${proxy.address}/regctl/from:v1`, `${proxy.address}/regctl/to:v1`)
    await expectServed(image, { client: registry.client, repository: 'regctl/to' })
    const mounted = proxy.mountsInto('regctl/to').filter(({ status }) => status === 201)
    expect(mounted).toHaveLength(image.layers.length + 1)
  })

  test('puts, gets and deletes a blob', async () => {
    const bytes = Buffer.from('a blob by itself')
    const digest = await registry.client.pushBlob('regctl/blob', bytes)
    const repository = `${registry.address}/regctl/blob`
    expect(digest).toBe(sha256(bytes))
    expect(await regctl('blob', 'get', repository, digest)).toBe('a blob by itself')
    await regctl('blob', 'delete', repository, digest)
    await expect(regctl('blob', 'head', repository, digest)).rejects.toThrow(/not found/i)
  })

  test('puts an artifact and gets it', async () => {
    const reference = `${registry.address}/regctl/artifact:v1`
    const file = fileURLToPath(import.meta.url)
    await regctl('artifact', 'put', '--artifact-type=application/x.sample', '--file', file, reference)
    expect(await regctl('artifact', 'get', reference)).toBe(await readFile(file, 'utf8'))
  })

  test('lists, and deletes one tag while another stays', async () => {
    const image = await pushSample('regctl/tags')
    const reference = `${registry.address}/regctl/tags`
    await regctl('image', 'copy', `${reference}:v1`, `${reference}:v2`)
    expect(await regctl('tag', 'ls', reference)).toBe('v1\nv2\n')
    await regctl('tag', 'delete', `${reference}:v1`)
    expect(await regctl('tag', 'ls', reference)).toBe('v2\n')
    expect(await regctl('image', 'digest', `${reference}:v2`)).toBe(`${image.manifest.descriptor.digest}\n`)
    expect((await regctl('repo', 'ls', registry.address)).split('\n')).toContain('regctl/tags')
  })

  test('deletes a manifest', async () => {
    const image = await pushSample('regctl/deleted')
    const reference = `${registry.address}/regctl/deleted`
    await regctl('manifest', 'delete', `${reference}@${image.manifest.descriptor.digest}`)
    await expect(regctl('image', 'digest', `${reference}:v1`)).rejects.toThrow(/not found/i)
  })
})
