import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { sha256 } from '../../support/oci-image.ts'
import { writeLargeLayout, writeLayout } from '../../support/oci-layout.ts'
import { run } from '../../support/tools.ts'
import { expectIndexServed, expectServed } from './expectations.ts'
import { useRegistry } from './registry-in-use.ts'
import { sampleImage, sampleIndex } from './sample-images.ts'

const moreThanOneGiB = 2 ** 30 + 100_000_001

describeWith(['skopeo'], 'skopeo', () => {
  const registry = useRegistry()

  const copy = (from: string, to: string, ...options: string[]) =>
    run('skopeo', [
      'copy',
      '--insecure-policy',
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      ...options,
      from,
      to,
    ])

  async function pushSample(repository: string, address = registry.address) {
    const image = sampleImage(repository)
    const layout = await registry.newFolder(`${repository}-layout`)
    await writeLayout(layout, { tag: 'v1', root: image })
    await copy(`oci:${layout}:v1`, `docker://${address}/${repository}:v1`)
    return image
  }

  test('pushes an image of several layers and pulls the same bytes', async () => {
    const image = await pushSample('skopeo/image')
    await expectServed(image, { client: registry.client, repository: 'skopeo/image' })
    const pulled = await registry.newFolder('skopeo-pulled')
    await copy(`docker://${registry.address}/skopeo/image:v1`, `oci:${pulled}:v1`)
    for (const { descriptor, bytes } of [image.manifest, image.config, ...image.layers]) {
      expect(await readFile(join(pulled, 'blobs', descriptor.digest.replace(':', '/')))).toEqual(bytes)
    }
  })

  test('pushes an index with all its platforms, and pulls one of them', async () => {
    const index = sampleIndex('skopeo/index')
    const layout = await registry.newFolder('skopeo-index-layout')
    await writeLayout(layout, { tag: 'v1', root: index })
    const reference = `docker://${registry.address}/skopeo/index:v1`
    await copy(`oci:${layout}:v1`, reference, '--all')
    await expectIndexServed(index, { client: registry.client, repository: 'skopeo/index' })
    const override = ['--override-os=linux', '--override-arch=arm64']
    const inspect = ['inspect', '--tls-verify=false', '--format={{.Architecture}}', reference]
    expect(await run('skopeo', [...override, ...inspect])).toBe('arm64\n')
  })

  test('pushes as Docker schema 2', async () => {
    const image = await pushSample('skopeo/oci')
    const docker = `docker://${registry.address}/skopeo/docker:v1`
    await copy(`docker://${registry.address}/skopeo/oci:v1`, docker, '--format=v2s2')
    const manifest = await run('skopeo', ['inspect', '--raw', '--tls-verify=false', docker])
    expect(JSON.parse(manifest)).toMatchObject({
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      layers: image.layers.map(({ descriptor: { digest, size } }) => ({ digest, size })),
    })
  })

  test('copies between repositories by mounting', async () => {
    const proxy = registry.recorded
    const image = await pushSample('skopeo/from', proxy.address)
    await copy(`docker://${proxy.address}/skopeo/from:v1`, `docker://${proxy.address}/skopeo/to:v1`)
    await expectServed(image, { client: registry.client, repository: 'skopeo/to' })
    const mounts = proxy.mountsInto('skopeo/to').filter(({ status }) => status === 201)
    expect(mounts.length).toBeGreaterThanOrEqual(image.layers.length)
  })

  test('lists tags and deletes an image with its tags', async () => {
    await pushSample('skopeo/deleted')
    const reference = `docker://${registry.address}/skopeo/deleted`
    const list = await run('skopeo', ['list-tags', '--tls-verify=false', reference])
    expect(JSON.parse(list)).toMatchObject({ Tags: ['v1'] })
    await run('skopeo', ['delete', '--tls-verify=false', `${reference}:v1`])
    const inspect = run('skopeo', ['inspect', '--tls-verify=false', `${reference}:v1`])
    await expect(inspect).rejects.toThrow(/manifest unknown/)
  })

  test('pushes and pulls a layer of more than 1 GiB', { timeout: 300_000 }, async () => {
    const layout = await registry.newFolder('large-layout')
    const { layer, manifest } = await writeLargeLayout(layout, { tag: 'v1', sizeBytes: moreThanOneGiB })
    const reference = `docker://${registry.address}/skopeo/large:v1`
    await copy(`oci:${layout}:v1`, reference, '--preserve-digests')
    await rm(layout, { recursive: true })
    const pulled = await registry.newFolder('large-pulled')
    await copy(reference, `dir:${pulled}`)
    const { layers } = JSON.parse(await readFile(join(pulled, 'manifest.json'), 'utf8'))
    expect(layers).toEqual([layer])
    expect(sha256(await readFile(join(pulled, 'manifest.json')))).toBe(manifest.digest)
    const digest = await run('sha256sum', [join(pulled, layer.digest.replace('sha256:', ''))])
    expect(digest).toContain(layer.digest.replace('sha256:', ''))
  })
})
