/** Entrepot's client beside crane and skopeo, between Entrepot and Distribution. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runEntrepot } from '../../support/command.ts'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { imageManifest } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { run } from '../../support/tools.ts'
import { useRegistry } from './registry-in-use.ts'
import { sampleIndex } from './sample-images.ts'

describeWith(['docker-registry', 'crane', 'skopeo'], "Entrepot's client", () => {
  const registry = useRegistry()
  let other: ServerProcess
  beforeAll(async () => {
    const folder = await registry.newFolder('distribution')
    other = await startDistribution({ dataFolder: join(folder, 'data'), configFolder: folder })
  })
  afterAll(async () => {
    await other?.stop()
  })

  const crane = (...args: string[]) => run('crane', ['--insecure', ...args])

  async function entrepot(...args: string[]): Promise<string> {
    const environment = { DOCKER_CONFIG: await registry.newFolder('docker') }
    const { code, stdout, stderr } = await runEntrepot(args, { environment, timeoutMs: 120_000 })
    if (code !== 0) throw new Error(`entrepot ${args.join(' ')} ended with ${code}\n${stderr}`)
    return stdout
  }

  test('copies to Distribution what crane copies, with referrers by their tag', async () => {
    const index = sampleIndex('client/copied')
    await registry.client.pushIndex('client/copied', { tag: 'v1', index })
    const [image] = index.images
    const signature = imageManifest(image!.config, [], index.manifest.descriptor)
    const { digest } = signature.descriptor
    await registry.client.pushManifest('client/copied', { reference: digest, manifest: signature })
    const [from, to] = [`${registry.address}/client/copied`, `${other.address}/client/copied`]
    await entrepot('copy', '--all-tags', '--referrers', from, to)
    await crane('copy', `${from}:v1`, `${other.address}/by/crane:v1`)
    expect(await crane('digest', `${to}:v1`)).toBe(await crane('digest', `${other.address}/by/crane:v1`))
    await crane('validate', '--remote', `${to}:v1`)
    const distribution = new RegistryClient(other.url)
    const tag = index.manifest.descriptor.digest.replace(':', '-')
    expect(JSON.parse(`${await distribution.manifest('client/copied', tag)}`).manifests).toMatchObject([
      { digest },
    ])
    // Back again, by what stands under that tag.
    await entrepot('copy', '--referrers', `${to}:v1`, `${registry.address}/client/back:v1`)
    expect(await registry.client.referrers('client/back', index.manifest.descriptor.digest)).toEqual([digest])
  })

  test('archives and layouts are read by others, and theirs are pushed', async () => {
    const index = sampleIndex('client/archived')
    await registry.client.pushIndex('client/archived', { tag: 'v1', index })
    const folder = await registry.newFolder('archived')
    const name = `${registry.address}/client/archived`
    const [amd64] = index.images
    await entrepot('pull', '--platform=linux/amd64', `${name}:v1`, join(folder, 'ours.tar'))
    const config = await run('skopeo', [
      'inspect',
      '--config',
      '--raw',
      `docker-archive:${join(folder, 'ours.tar')}`,
    ])
    expect(config).toBe(amd64?.config.bytes.toString())
    await entrepot('push', join(folder, 'ours.tar'), `${other.address}/client/archived:ours`)
    expect(await crane('manifest', `${other.address}/client/archived:ours`)).toBe(
      amd64?.manifest.bytes.toString(),
    )
    await run('skopeo', [
      ...[
        'copy',
        '--src-tls-verify=false',
        `docker://${name}:v1`,
        `docker-archive:${join(folder, 'skopeo.tar')}:a/b:c`,
      ],
    ])
    await entrepot('push', `docker-archive:${join(folder, 'skopeo.tar')}:docker.io/a/b:c`, `${name}:skopeo`)
    await crane('pull', '--platform=linux/amd64', `${name}:v1`, join(folder, 'crane.tar'))
    await entrepot('push', join(folder, 'crane.tar'), `${name}:crane`)
    for (const tag of ['skopeo', 'crane']) {
      await crane('validate', '--remote', `${name}:${tag}`)
      expect(await crane('config', `${name}:${tag}`)).toBe(amd64?.config.bytes.toString())
    }
    await entrepot('pull', `${name}:v1`, `oci:${join(folder, 'layout')}`)
    const root = await run('skopeo', ['inspect', '--raw', `oci:${join(folder, 'layout')}:v1`])
    expect(root).toBe(index.manifest.bytes.toString())
    expect(JSON.parse(await readFile(join(folder, 'layout', 'index.json'), 'utf8')).manifests).toHaveLength(1)
  })

  test('says of an image what skopeo says', async () => {
    await registry.client.pushIndex('client/inspected', { tag: 'v1', index: sampleIndex('client/inspected') })
    const name = `${registry.address}/client/inspected:v1`
    const theirs = await run('skopeo', ['inspect', '--tls-verify=false', `docker://${name}`])
    // Newer releases say more.
    expect(JSON.parse(await entrepot('inspect', name))).toMatchObject(JSON.parse(theirs))
    expect(await entrepot('manifest', name)).toBe(await crane('manifest', name))
  })
})
