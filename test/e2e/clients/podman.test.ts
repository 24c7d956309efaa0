import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { seededRandom } from '../../support/random.ts'
import { type ContainerStorage, containerStorage } from './container-storage.ts'
import { expectServed } from './expectations.ts'
import { useRegistry } from './registry-in-use.ts'
import { sampleImage, sampleIndex } from './sample-images.ts'

const insecure = '--tls-verify=false'

describeWith(['podman'], 'podman', () => {
  const registry = useRegistry()
  let podman: ContainerStorage

  beforeAll(async () => {
    podman = await containerStorage('podman', { driver: 'vfs', folder: await registry.newFolder('podman') })
  })

  test('pulls an image of several layers and pushes it elsewhere', async () => {
    const image = sampleImage('podman/image')
    await registry.client.pushImage('podman/image', { tag: 'v1', image })
    const reference = `${registry.address}/podman/image:v1`
    const id = (await podman.run('pull', '--quiet', insecure, reference)).trim()
    expect(`sha256:${id}`).toBe(image.config.descriptor.digest)
    const elsewhere = `${registry.address}/podman/elsewhere:v2`
    await podman.run('push', '--quiet', insecure, reference, elsewhere)
    await podman.run('rmi', '--force', id)
    expect((await podman.run('pull', '--quiet', insecure, elsewhere)).trim()).toBe(id)
  })

  test('pulls its platform out of an index', async () => {
    const index = sampleIndex('podman/index')
    await registry.client.pushIndex('podman/index', { tag: 'v1', index })
    const reference = `${registry.address}/podman/index:v1`
    await podman.run('pull', '--quiet', insecure, '--platform=linux/arm64', reference)
    expect(await podman.run('image', 'inspect', '--format={{.Architecture}}', reference)).toBe('arm64\n')
  })

  test('makes an index of two images and pushes it with them', async () => {
    const images = ['amd64', 'arm64'].map((architecture) => sampleImage('podman/parts', architecture))
    await podman.run('manifest', 'create', 'parts')
    for (const image of images) {
      const tag = image.manifest.descriptor.digest.slice(-8)
      await registry.client.pushImage('podman/parts', { tag, image })
      await podman.run(
        'manifest',
        'add',
        insecure,
        'parts',
        `docker://${registry.address}/podman/parts:${tag}`,
      )
    }
    const reference = `docker://${registry.address}/podman/whole:v1`
    await podman.run('manifest', 'push', '--all', insecure, 'parts', reference)
    for (const image of images) {
      await expectServed(image, { client: registry.client, repository: 'podman/whole' })
    }
  })

  test('searches the catalog and lists tags', async () => {
    await registry.client.pushImage('podman/searched', { tag: 'v1', image: sampleImage('podman/searched') })
    const found = await podman.run('search', insecure, '--format={{.Name}}', `${registry.address}/searched`)
    expect(found.trim()).toBe(`${registry.address}/podman/searched`)
    const reference = `${registry.address}/podman/searched`
    expect(await podman.run('search', insecure, '--list-tags', reference)).toMatch(/ v1\s*$/)
  })
})

describeWith(['podman'], 'podman with partial pulls', () => {
  const registry = useRegistry()
  let podman: ContainerStorage

  beforeAll(async () => {
    podman = await containerStorage('podman', {
      driver: 'overlay',
      folder: await registry.newFolder('podman-overlay'),
    })
  })

  /** Pushes an image of a single zstd:chunked layer with files of the given contents; podman forgets it then. */
  async function pushChunked(name: string, contents: readonly string[]): Promise<string> {
    const folder = await registry.newFolder(name)
    await mkdir(join(folder, 'files'))
    for (const [number, content] of contents.entries()) {
      await writeFile(join(folder, 'files', `file-${number}`), seededRandom(content).bytes(400_000))
    }
    await writeFile(join(folder, 'Containerfile'), 'FROM scratch\nCOPY files /files\n')
    const reference = `${registry.recorded.address}/chunked/${name}:v1`
    await podman.run('build', '--quiet', '--tag', reference, folder)
    await podman.run('push', '--quiet', insecure, '--compression-format=zstd:chunked', reference)
    await podman.run('rmi', '--all', '--force')
    return reference
  }

  test('fetches only the files that it lacks, several ranges at once', async (context) => {
    const usable = await podman.run('info').catch(() => undefined)
    if (usable === undefined) context.skip('podman cannot use overlay file systems on this machine')
    const first = await pushChunked('first', ['a', 'shared', 'b'])
    const second = await pushChunked('second', ['c', 'shared', 'd'])
    await podman.run('pull', '--quiet', insecure, first)
    await podman.run('pull', '--quiet', insecure, second)
    const exchanges = registry.recorded.exchanges.filter(({ range }) => range?.includes(','))
    expect(exchanges.filter(({ path }) => path.startsWith('/v2/chunked/second/blobs/'))).not.toEqual([])
    for (const { status, contentType } of exchanges) {
      expect(status).toBe(206)
      expect(contentType).toContain('multipart/byteranges')
    }
  })
})
