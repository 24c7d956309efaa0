import { beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { run } from '../../support/tools.ts'
import { useRegistry } from './registry-in-use.ts'
import { sampleImage } from './sample-images.ts'
import { listedSignatures } from './signatures.ts'

/** The library of the Notary Project, by the program in `notation/`. */
describeWith(['notation-client'], 'notation', () => {
  const registry = useRegistry()
  let ours: string
  let theirs: string
  beforeAll(async () => {
    ;[ours, theirs] = [await registry.newFolder('notation-ours'), await registry.newFolder('notation-theirs')]
    for (const folder of [ours, theirs]) await run('notation-client', [folder, 'generate'])
  })

  const notation = (command: string, ...args: string[]) => run('notation-client', [ours, command, ...args])

  async function pushImage(repository: string): Promise<string> {
    const image = sampleImage(repository)
    await registry.client.pushImage(repository, { tag: 'v1', image })
    return image.manifest.descriptor.digest
  }

  test.each([
    { envelope: 'jws', mediaType: 'application/jose+json' },
    { envelope: 'cose', mediaType: 'application/cose' },
  ])('signs with $envelope, verifies and lists', async ({ envelope, mediaType }) => {
    const repository = `notation/${envelope}`
    const digest = await pushImage(repository)
    const reference = `${registry.address}/${repository}@${digest}`
    await expect(notation('verify', reference)).rejects.toThrow(/no signature is associated/)
    await notation('sign', envelope, reference)
    expect((await notation('verify', reference)).trim()).toBe(digest)
    await expect(run('notation-client', [theirs, 'verify', reference])).rejects.toThrow()
    const [signature, ...others] = await listedSignatures(registry.client, { repository, digest })
    expect(others).toEqual([])
    expect(signature).toMatchObject({ kind: 'notation', mediaType })
    expect(await notation('list', reference)).toBe(`${signature?.manifest}\n`)
    expect(signature?.annotations).toHaveProperty('io.cncf.notary.x509chain.thumbprint#S256')
    expect(await registry.client.blob(repository, signature?.digest ?? '')).toHaveLength(signature?.size ?? 0)
    expect(Math.abs(Date.parse(signature?.pushedAt ?? '') - Date.now())).toBeLessThan(120_000)
  })

  test('lists every signature, and leaves no tag behind', async () => {
    const repository = 'notation/many'
    const digest = await pushImage(repository)
    const reference = `${registry.address}/${repository}@${digest}`
    for (const envelope of ['jws', 'cose', 'jws']) await notation('sign', envelope, reference)
    const listed = (await notation('list', reference)).trim().split('\n')
    const signatures = await listedSignatures(registry.client, { repository, digest })
    expect(signatures.map(({ manifest }) => manifest)).toEqual(listed)
    expect(signatures).toHaveLength(3)
    expect(await registry.client.tags(repository)).toEqual(['v1'])
  })
})
