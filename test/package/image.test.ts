/** The OCI image for this machine's processor: made, pushed to Entrepot and pulled from it, and run as far as that goes without
 *  a container: in its own root, as its own user. */
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { describeWith } from '../support/describe-with.ts'
import { listeningUrl, startEntrepot } from '../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { run } from '../support/tools.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const architecture = process.arch === 'x64' ? 'amd64' : 'arm64'
const MAX_BYTES = 90 * 1000 ** 2

interface ImageConfig {
  readonly architecture: string
  readonly config: {
    readonly User: string
    readonly Entrypoint: readonly string[]
    readonly Cmd: readonly string[]
    readonly Healthcheck?: unknown
    readonly Volumes: object
    readonly ExposedPorts: object
  }
}

describeWith(['buildah', 'skopeo', 'apt-get', 'dpkg-deb', 'chroot'], 'the image', () => {
  let folder: TemporaryFolder
  let pulled: string

  beforeAll(async () => {
    folder = await temporaryFolder()
    const layout = (
      await run(process.execPath, ['packaging/image.ts', architecture], { workingFolder: project })
    ).trim()
    const data = { dataFolder: join(folder.path, 'data'), configFolder: folder.path }
    await using server = await startEntrepot(data)
    const place = `docker://${server.address}/entrepot:latest`
    const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))
    await run('skopeo', [
      'copy',
      '--quiet',
      '--all',
      '--dest-tls-verify=false',
      `oci:${layout}:${version}`,
      place,
    ])
    pulled = join(folder.path, 'pulled')
    await run('skopeo', ['copy', '--quiet', '--src-tls-verify=false', place, `dir:${pulled}`])
  })
  afterAll(() => folder?.remove())

  async function blobOf(digest: string): Promise<string> {
    return join(pulled, digest.replace('sha256:', ''))
  }

  async function manifest(): Promise<{
    config: { digest: string }
    layers: readonly { digest: string; size: number }[]
  }> {
    return JSON.parse(await readFile(join(pulled, 'manifest.json'), 'utf8'))
  }

  test('is small, runs as nobody in particular, and leaves probes to whoever runs it', async () => {
    const { config, layers } = await manifest()
    expect(layers.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(MAX_BYTES)
    const image: ImageConfig = JSON.parse(await readFile(await blobOf(config.digest), 'utf8'))
    expect(image.architecture).toBe(architecture)
    expect(image.config.User).toBe('65532:65532')
    expect(image.config.Healthcheck).toBeUndefined()
  })

  test('has what the compose file asks for', async () => {
    const { config } = await manifest()
    const { config: image }: ImageConfig = JSON.parse(await readFile(await blobOf(config.digest), 'utf8'))
    const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))
    const { services, volumes } = parse(await readFile(join(project, 'deploy/compose/compose.yml'), 'utf8'))
    const { registry } = services
    expect(registry.image).toBe(`entrepot:${version}`)
    const mounts: [string, string][] = registry.volumes.map((mount: string) => mount.split(':'))
    expect(mounts.map(([, target]) => target)).toEqual(Object.keys(image.Volumes))
    for (const [source] of mounts) expect(volumes).toHaveProperty(source)
    const ports: string[] = registry.ports.map((port: string) => port.split(':')[1])
    expect(ports).toEqual(Object.keys(image.ExposedPorts).map((port) => port.replace('/tcp', '')))
    const variables = loadConfig({
      env: { ...registry.environment, REGISTRY_CONFIGURATION_PATH: join(project, 'deploy/image/config.yml') },
    })
    expect(variables.warnings).toEqual([])
    expect(variables.config.http.secret).toBe(registry.environment.REGISTRY_HTTP_SECRET)
  })

  test('serves, with nothing to write to but its volume', async () => {
    const { config, layers } = await manifest()
    const root = join(folder.path, 'root')
    await mkdir(root)
    for (const { digest } of layers) await run('tar', ['-xzf', await blobOf(digest), '-C', root])
    expect((await stat(join(root, 'var/lib/registry'))).uid).toBe(65532)
    expect(await readdir(join(root, 'usr/local/bin'))).toEqual(['node'])
    const image: ImageConfig = JSON.parse(await readFile(await blobOf(config.digest), 'utf8'))
    const { Entrypoint, Cmd, User } = image.config
    await using server = await ServerProcess.start({
      file: 'chroot',
      arguments: [`--userspec=${User}`, root, ...Entrypoint, ...Cmd],
      environment: { REGISTRY_HTTP_ADDR: '127.0.0.1:0', REGISTRY_LOG_FORMATTER: 'json' },
      workingFolder: folder.path,
      readyUrl: listeningUrl,
    })
    const client = new RegistryClient(server.url)
    const pushed = imageOf([gzippedLayer([{ path: 'hello', content: 'world' }])])
    await client.pushImage('packaged', { tag: 'v1', image: pushed })
    expect(await client.manifest('packaged', 'v1')).toEqual(pushed.manifest.bytes)
    expect(await server.stop()).toBe(0)
    expect(await readdir(join(root, 'var/lib/registry/docker/registry/v2/repositories'))).toEqual([
      'packaged',
    ])
  })
})
