import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { writeLayout } from '../../support/oci-layout.ts'
import { run } from '../../support/tools.ts'
import { expectIndexServed, expectServed } from './expectations.ts'
import { useRegistry } from './registry-in-use.ts'
import { sampleImage, sampleIndex } from './sample-images.ts'

describeWith(['crane'], 'crane', () => {
  const registry = useRegistry()
  const crane = (...args: string[]) => run('crane', ['--insecure', ...args])

  async function pushSample(repository: string, address = registry.address) {
    const image = sampleImage(repository)
    const layout = await registry.newFolder(`${repository}-layout`)
    await writeLayout(layout, { tag: 'v1', root: image })
    await crane('push', layout, `${address}/${repository}:v1`)
    return image
  }

  async function pushSampleIndex(repository: string) {
    const index = sampleIndex(repository)
    const layout = await registry.newFolder(`${repository}-layout`)
    await writeLayout(layout, { tag: 'v1', root: index })
    await crane('push', layout, `${registry.address}/${repository}:v1`)
    return index
  }

  test('pushes an image of several layers, finds it whole and pulls the same bytes', async () => {
    const image = await pushSample('crane/image')
    const reference = `${registry.address}/crane/image:v1`
    await crane('validate', '--remote', reference)
    expect(await crane('digest', reference)).toBe(`${image.manifest.descriptor.digest}\n`)
    const pulled = await registry.newFolder('crane-pulled')
    await crane('pull', '--format=oci', reference, pulled)
    for (const { descriptor, bytes } of [image.config, ...image.layers]) {
      expect(await readFile(join(pulled, 'blobs', descriptor.digest.replace(':', '/')))).toEqual(bytes)
    }
  })

  test('pushes an index for two platforms and pulls one of them', async () => {
    const index = await pushSampleIndex('crane/index')
    await expectIndexServed(index, { client: registry.client, repository: 'crane/index' })
    const reference = `${registry.address}/crane/index:v1`
    expect(JSON.parse(await crane('config', '--platform=linux/arm64', reference))).toMatchObject({
      architecture: 'arm64',
    })
  })

  test('takes one platform out of an index', async () => {
    const index = await pushSampleIndex('crane/filtered')
    const repository = `${registry.address}/crane/filtered`
    await crane('index', 'filter', `${repository}:v1`, '--platform=linux/arm64', '--tag', `${repository}:arm`)
    const { manifests } = JSON.parse(await crane('manifest', `${repository}:arm`))
    expect(manifests).toMatchObject([index.images[1]?.manifest.descriptor])
  })

  test('copies between repositories by mounting', async () => {
    const proxy = registry.recorded
    const image = await pushSample('crane/from', proxy.address)
    await crane('copy', `${proxy.address}/crane/from:v1`, `${proxy.address}/crane/to:v1`)
    await expectServed(image, { client: registry.client, repository: 'crane/to' })
    const mounts = proxy.mountsInto('crane/to')
    expect(mounts.map(({ status }) => status)).toEqual([...image.layers, image.config].map(() => 201))
    expect(proxy.uploadsInto('crane/to')).toEqual([])
  })

  test('appends a layer to an image that is there', async () => {
    await pushSample('crane/base')
    const layer = await registry.newFolder('crane-layer')
    const reference = `${registry.address}/crane/base`
    await run('tar', ['-cf', join(layer, 'layer.tar'), '-C', layer, '.'])
    await crane('append', '-b', `${reference}:v1`, '-f', join(layer, 'layer.tar'), '-t', `${reference}:v2`)
    await crane('validate', '--remote', `${reference}:v2`)
  })

  test('lists repositories and tags', async () => {
    await pushSample('crane/listed')
    const reference = `${registry.address}/crane/listed`
    await crane('tag', `${reference}:v1`, 'another')
    expect(await crane('ls', reference)).toBe('another\nv1\n')
    expect((await crane('catalog', registry.address)).split('\n')).toContain('crane/listed')
  })

  test('deletes an image by digest', async () => {
    const image = await pushSample('crane/deleted')
    const reference = `${registry.address}/crane/deleted`
    await crane('delete', `${reference}@${image.manifest.descriptor.digest}`)
    await expect(crane('digest', `${reference}:v1`)).rejects.toThrow(/MANIFEST_UNKNOWN|404/)
    expect((await crane('ls', reference)).trim()).toBe('')
  })
})
