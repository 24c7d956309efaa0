import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { seededRandom } from '../../support/random.ts'
import { type ContainerStorage, containerStorage } from './container-storage.ts'
import { useRegistry } from './registry-in-use.ts'
import { sampleImage } from './sample-images.ts'

const insecure = '--tls-verify=false'

describeWith(['buildah'], 'buildah', () => {
  const registry = useRegistry()
  let folder: string
  let buildah: ContainerStorage

  beforeAll(async () => {
    folder = await registry.newFolder('buildah')
    buildah = await containerStorage('buildah', { driver: 'vfs', folder })
    await writeFile(join(folder, 'content'), seededRandom('buildah').bytes(1_000_000))
  })

  /** A container with the file `/content` added to a base image. */
  async function containerWithContent(base: string): Promise<string> {
    const container = (await buildah.run('from', insecure, base)).trim()
    await buildah.run('copy', '--quiet', container, 'content', '/content')
    return container
  }

  test('builds an image from scratch, pushes it and pulls it again', async () => {
    const reference = `${registry.address}/buildah/scratch:v1`
    const container = await containerWithContent('scratch')
    const id = (await buildah.run('commit', '--quiet', '--rm', container, reference)).trim()
    await buildah.run('push', '--quiet', insecure, reference)
    await buildah.run('rmi', reference)
    expect((await buildah.run('pull', '--quiet', insecure, reference)).trim()).toBe(id)
    const pulled = (await buildah.run('from', reference)).trim()
    const mounted = (await buildah.run('mount', pulled)).trim()
    expect(await readFile(join(mounted, 'content'))).toEqual(await readFile(join(folder, 'content')))
    await buildah.run('rm', pulled)
  })

  test('adds a layer to an image of the registry', async () => {
    const image = sampleImage('buildah/base')
    await registry.client.pushImage('buildah/base', { tag: 'v1', image })
    const reference = `${registry.address}/buildah/grown:v1`
    const container = await containerWithContent(`${registry.address}/buildah/base:v1`)
    await buildah.run('commit', '--quiet', '--rm', container, reference)
    await buildah.run('push', '--quiet', insecure, reference)
    const manifest = JSON.parse(String(await registry.client.manifest('buildah/grown', 'v1')))
    expect(manifest.layers).toHaveLength(image.layers.length + 1)
  })

  test('pushes as Docker schema 2', async () => {
    const container = await containerWithContent('scratch')
    const reference = `${registry.address}/buildah/docker:v1`
    await buildah.run('commit', '--quiet', '--rm', '--format=docker', container, reference)
    await buildah.run('push', '--quiet', insecure, '--format=v2s2', reference)
    const manifest = JSON.parse(String(await registry.client.manifest('buildah/docker', 'v1')))
    expect(manifest.mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json')
  })
})
