/** Docker's schema 1 through the one client that still makes it. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { sha256 } from '../../support/oci-image.ts'
import { writeLayout } from '../../support/oci-layout.ts'
import { layoutRoot } from '../../support/storage-tree.ts'
import { run } from '../../support/tools.ts'
import { useRegistry } from './registry-in-use.ts'
import { sampleImage } from './sample-images.ts'

const signedType = 'application/vnd.docker.distribution.manifest.v1+prettyjws'

describeWith(['skopeo'], 'skopeo with schema 1', () => {
  const registry = useRegistry({ config: { compatibility: { schema1: { enabled: true } } } })
  const off = useRegistry()

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
    const layout = await registry.newFolder(repository.replaceAll('/', '-'))
    await writeLayout(layout, { tag: 'v1', root: image })
    await copy(`oci:${layout}:v1`, `docker://${address}/${repository}:v1`, '--format=v2s1')
    return image
  }

  const manifestAt = (repository: string, reference: string) =>
    registry.client.request(`/v2/${repository}/manifests/${reference}`, { expect: [200] })

  test('pushes an image and pulls the same one', async () => {
    const image = await pushSample('schema1/image')
    const pulled = await registry.newFolder('schema1-pulled')
    await copy(`docker://${registry.address}/schema1/image:v1`, `dir:${pulled}`)
    const manifest = await readFile(join(pulled, 'manifest.json'))
    const answer = await manifestAt('schema1/image', 'v1')
    expect(answer.headers.get('content-type')).toBe(signedType)
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(manifest)
    const digest = (await run('skopeo', ['manifest-digest', join(pulled, 'manifest.json')])).trim()
    expect(answer.headers.get('docker-content-digest')).toBe(digest)
    expect(Buffer.from(await (await manifestAt('schema1/image', digest)).arrayBuffer())).toEqual(manifest)
    for (const { descriptor, bytes } of image.layers) {
      const layer = await readFile(join(pulled, descriptor.digest.replace('sha256:', '')))
      expect(sha256(layer)).toBe(sha256(bytes))
    }
  })

  test('copies it to another name, signed for that', async () => {
    await pushSample('schema1/from')
    const reference = `docker://${registry.address}/schema1/to:v2`
    await copy(`docker://${registry.address}/schema1/from:v1`, reference)
    const inspected = JSON.parse(await run('skopeo', ['inspect', '--raw', '--tls-verify=false', reference]))
    expect(inspected).toMatchObject({ schemaVersion: 1, name: 'schema1/to', tag: 'v2' })
  })

  test('copies it by its digest as it is, from registry to registry', async () => {
    await pushSample('schema1/mirrored')
    const before = await (await manifestAt('schema1/mirrored', 'v1')).text()
    const folder = await registry.newFolder('schema1-mirror')
    await copy(`docker://${registry.address}/schema1/mirrored:v1`, `dir:${folder}`, '--preserve-digests')
    await registry.client.deleteManifest('schema1/mirrored', await digestAt('schema1/mirrored', 'v1'))
    await copy(`dir:${folder}`, `docker://${registry.address}/schema1/mirrored:v1`, '--preserve-digests')
    expect(await (await manifestAt('schema1/mirrored', 'v1')).text()).toBe(before)
  })

  test('gathers a signature with every push of one image, and each pull has them all', async () => {
    for (let push = 0; push < 3; push++) await pushSample('schema1/again')
    const { signatures } = (await (await manifestAt('schema1/again', 'v1')).json()) as {
      signatures: unknown[]
    }
    expect(signatures).toHaveLength(3)
    const pulled = await registry.newFolder('schema1-again-pulled')
    await copy(`docker://${registry.address}/schema1/again:v1`, `dir:${pulled}`)
  })

  test('converts it to OCI', async () => {
    const image = await pushSample('schema1/old')
    await copy(
      `docker://${registry.address}/schema1/old:v1`,
      `docker://${registry.address}/schema1/new:v1`,
      '--format=oci',
    )
    const { layers } = (await (await manifestAt('schema1/new', 'v1')).json()) as {
      layers: { digest: string }[]
    }
    expect(layers.map(({ digest }) => digest)).toEqual(
      image.layers.map(({ descriptor }) => descriptor.digest),
    )
  })

  test('pulls what Distribution has kept without signatures, and converts it', async () => {
    await pushSample('schema1/unsigned')
    const digest = await digestAt('schema1/unsigned', 'v1')
    const revision = `repositories/schema1/unsigned/_manifests/revisions/${digest.replace(':', '/')}`
    await rm(join(registry.dataFolder, layoutRoot, revision, 'signatures'), { recursive: true })
    const answer = await manifestAt('schema1/unsigned', 'v1')
    expect(answer.headers.get('content-type')).toBe('application/vnd.docker.distribution.manifest.v1+json')
    expect(sha256(Buffer.from(await answer.arrayBuffer()))).toBe(digest)
    const source = `docker://${registry.address}/schema1/unsigned:v1`
    const pulled = await registry.newFolder('schema1-unsigned-pulled')
    await copy(source, `dir:${pulled}`)
    expect(sha256(await readFile(join(pulled, 'manifest.json')))).toBe(digest)
    await copy(source, `docker://${registry.address}/schema1/unsigned:oci`, '--format=oci')
  })

  test('is told the key where the registry does not take it', async () => {
    const push = pushSample('schema1/refused', off.address)
    await expect(push).rejects.toThrow(/compatibility\.schema1\.enabled/)
  })

  async function digestAt(repository: string, reference: string): Promise<string> {
    return (await manifestAt(repository, reference)).headers.get('docker-content-digest') ?? ''
  }
})
