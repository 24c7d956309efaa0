import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { run } from '../../support/tools.ts'
import { useRegistry } from './registry-in-use.ts'
import { sampleImage } from './sample-images.ts'
import { listedSignatures } from './signatures.ts'

/** Keys that are files, and no transparency log: nothing outside this machine is asked. */
describeWith(['cosign'], 'cosign', () => {
  const registry = useRegistry()
  let keys: string
  beforeAll(async () => {
    keys = await registry.newFolder('cosign-keys')
    for (const name of ['ours', 'theirs']) {
      await run('cosign', ['generate-key-pair', '--output-key-prefix', name], {
        workingFolder: keys,
        environment,
      })
    }
  })

  const offline = ['--allow-http-registry']
  const bundle: string[] = []
  const legacy = ['--new-bundle-format=false']

  async function pushImage(repository: string): Promise<string> {
    const image = sampleImage(repository)
    await registry.client.pushImage(repository, { tag: 'v1', image })
    return image.manifest.descriptor.digest
  }

  function sign(reference: string, options: readonly string[]): Promise<string> {
    const unlogged = ['--use-signing-config=false', '--tlog-upload=false', '--yes']
    const args = ['sign', '--key', join(keys, 'ours.key'), ...unlogged, ...offline, ...options]
    return run('cosign', [...args, `${registry.address}/${reference}`], { environment })
  }

  async function verify(reference: string, options: readonly string[], key = 'ours'): Promise<unknown[]> {
    const args = ['verify', '--key', join(keys, `${key}.pub`), '--insecure-ignore-tlog=true', ...offline]
    return JSON.parse(
      await run('cosign', [...args, ...options, `${registry.address}/${reference}`], { environment }),
    )
  }

  test.each([
    { form: 'a bundle that refers to the image', options: bundle },
    { form: 'a tag', options: legacy },
  ])('signs an image by $form, and verifies it', async ({ form, options }) => {
    const repository = `cosign/${form.split(' ')[1]}`
    const reference = `${repository}@${await pushImage(repository)}`
    await expect(verify(reference, options)).rejects.toThrow(/no signatures found/)
    await sign(reference, options)
    expect(await verify(reference, options)).toHaveLength(1)
    await expect(verify(reference, options, 'theirs')).rejects.toThrow()
  })

  test('finds signatures of every form that it made, and so does the list of signatures', async () => {
    const repository = 'cosign/listed'
    const digest = await pushImage(repository)
    const reference = `${repository}@${digest}`
    await sign(reference, bundle)
    await sign(reference, [...legacy, '-a', 'from=one'])
    await sign(reference, [...legacy, '-a', 'from=two'])
    const tag = `${digest.replace(':', '-')}.sig`
    const tree = await run('cosign', ['tree', ...offline, `${registry.address}/${reference}`], {
      environment,
    })
    expect(tree).toContain(tag)
    const signatures = await listedSignatures(registry.client, { repository, digest })
    for (const signature of signatures) {
      expect(signature.kind).toBe('cosign')
      expect(tree).toContain(signature.digest)
      const bytes = await registry.client.blob(repository, signature.digest)
      expect(bytes).toHaveLength(signature.size)
      expect(Math.abs(Date.parse(signature.pushedAt) - Date.now())).toBeLessThan(120_000)
    }
    const simpleSigning = 'application/vnd.dev.cosign.simplesigning.v1+json'
    const bundled = 'application/vnd.dev.sigstore.bundle.v0.3+json'
    expect(signatures.map(({ mediaType }) => mediaType)).toEqual([simpleSigning, simpleSigning, bundled])
    expect(signatures[0]?.annotations).toHaveProperty('dev.cosignproject.cosign/signature')
    expect(signatures[2]?.annotations).toMatchObject({ 'dev.sigstore.bundle.content': 'dsse-envelope' })
    expect(await registry.client.tags(repository)).toEqual([tag, 'v1'])
  })

  test('verifies a signature no more once its manifest is deleted', async () => {
    const repository = 'cosign/deleted'
    const digest = await pushImage(repository)
    await sign(`${repository}@${digest}`, bundle)
    const [signature] = await listedSignatures(registry.client, { repository, digest })
    await registry.client.deleteManifest(repository, signature?.manifest ?? '')
    await expect(verify(`${repository}@${digest}`, bundle)).rejects.toThrow(/no signatures found/)
    expect(await listedSignatures(registry.client, { repository, digest })).toEqual([])
  })

  test('attests to an image, and verifies that', async () => {
    const repository = 'cosign/attested'
    const digest = await pushImage(repository)
    const reference = `${registry.address}/${repository}@${digest}`
    const predicate = join(await registry.newFolder('cosign-predicate'), 'predicate.json')
    await writeFile(predicate, JSON.stringify({ builder: 'by hand' }))
    const kind = ['--type', 'https://example.com/built/v1']
    const unlogged = ['--use-signing-config=false', '--tlog-upload=false', '--yes']
    const made = ['--key', join(keys, 'ours.key'), ...unlogged, ...offline, '--predicate', predicate]
    await run('cosign', ['attest', ...kind, ...made, reference], { environment })
    const checked = ['--key', join(keys, 'ours.pub'), '--insecure-ignore-tlog=true', ...offline]
    await run('cosign', ['verify-attestation', ...kind, ...checked, reference], { environment })
    const [attested] = await listedSignatures(registry.client, { repository, digest })
    expect(attested?.annotations['dev.sigstore.bundle.predicateType']).toBe('https://example.com/built/v1')
  })
})

const environment = { COSIGN_PASSWORD: '' }
