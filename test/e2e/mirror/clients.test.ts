/** Clients that use a mirror by the examples of their configuration, and name the image as the upstream does. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { describeWith } from '../../support/describe-with.ts'
import { type MirrorUnderTest, name, startMirror } from '../../support/mirror-under-test.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { seededRandom } from '../../support/random.ts'
import { ScriptedUpstream } from '../../support/scripted-upstream.ts'
import { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { requireTool, run } from '../../support/tools.ts'
import { containerStorage } from '../clients/container-storage.ts'

const random = seededRandom('clients of mirrors')
const image = imageOf([gzippedLayer([{ path: 'file', content: random.bytes(200_000) }])])
const blobs = [image.config, ...image.layers]

/** No name of this machine leads there, so that only the mirror can answer. */
const HOST = 'upstream.invalid'

let folder: TemporaryFolder
let upstream: ScriptedUpstream
let mirror: MirrorUnderTest
beforeEach(async () => {
  folder = await temporaryFolder()
  upstream = await ScriptedUpstream.start()
  for (const { bytes } of blobs) upstream.addBlob(bytes)
  const { bytes, descriptor } = image.manifest
  upstream.setTag('library/a', 'v1', upstream.addManifest(bytes, descriptor.mediaType))
  mirror = await startMirror(
    { url: upstream.url, settings: { prefix: name(HOST) } },
    { settings: { namespaces: { byName: new Map([[HOST, HOST]]), byHost: new Map() } } },
  )
})
afterEach(async () => {
  await mirror[Symbol.asyncDispose]()
  await upstream.stop()
  await folder.remove()
})

function example(file: string): Promise<string> {
  return readFile(new URL(`../../../examples/mirror-clients/${file}`, import.meta.url), 'utf8')
}

function expectOneFetchOfEach(): void {
  const fetched = upstream.seen('GET', /blobs/).map(({ path }) => path.slice(path.lastIndexOf('/') + 1))
  expect(fetched.sort()).toEqual(blobs.map(({ bytes }) => digestOf(bytes)).sort())
}

describeWith(['containerd', 'ctr'], 'containerd', () => {
  const socket = () => join(folder.path, 'socket')
  const ctr = (...args: string[]) => run('ctr', ['--address', socket(), ...args])

  async function startContainerd(): Promise<ServerProcess> {
    const config = join(folder.path, 'config.toml')
    await writeFile(
      config,
      `version = 2
root = "${join(folder.path, 'root')}"
state = "${join(folder.path, 'state')}"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${socket()}"
`,
    )
    return ServerProcess.start({
      file: requireTool('containerd'),
      arguments: ['--config', config],
      readyUrl: (line) => (line.includes('successfully booted') ? 'http://containerd' : undefined),
    })
  }

  test('pulls through a mirror that its hosts.toml names', async ({ skip }) => {
    if (process.getuid?.() !== 0) skip('containerd runs as root only')
    const hosts = join(folder.path, 'hosts')
    await mkdir(join(hosts, HOST), { recursive: true })
    const toml = (await example('hosts.toml')).replace('https://registry-1.docker.io', `https://${HOST}`)
    const url = `http://127.0.0.1:${mirror.http.port}`
    await writeFile(join(hosts, HOST, 'hosts.toml'), toml.replace('https://registry.example', url))
    await using _containerd = await startContainerd()
    await ctr('content', 'fetch', '--hosts-dir', hosts, `${HOST}/library/a:v1`)
    const stored = (await ctr('content', 'ls', '--quiet')).split('\n')
    expect(stored).toEqual(expect.arrayContaining(blobs.map(({ bytes }) => digestOf(bytes))))
    expectOneFetchOfEach()
  })
})

/** Writes the example of a registries.conf with the hosts of this test. */
async function registriesConf(): Promise<string> {
  const path = join(folder.path, 'registries.conf')
  const text = (await example('registries.conf'))
    .replaceAll('docker.io', HOST)
    .replace('registry.example', `127.0.0.1:${mirror.http.port}`)
  await writeFile(path, `${text}insecure = true\n`)
  return path
}

describeWith(['skopeo'], 'skopeo', () => {
  test('copies from a mirror that its registries.conf names', async () => {
    const target = join(folder.path, 'copied')
    const source = `docker://${HOST}/library/a:v1`
    await run('skopeo', ['--registries-conf', await registriesConf(), 'copy', source, `dir:${target}`])
    const manifest = await readFile(join(target, 'manifest.json'))
    expect(manifest.equals(image.manifest.bytes)).toBe(true)
    expectOneFetchOfEach()
  })
})

describeWith(['podman'], 'podman', () => {
  test('pulls through a mirror that its registries.conf names', async () => {
    const environment = { CONTAINERS_REGISTRIES_CONF: await registriesConf() }
    const podman = await containerStorage('podman', { driver: 'vfs', folder: folder.path, environment })
    const id = await podman.run('pull', '--quiet', `${HOST}/library/a:v1`)
    expect(`sha256:${id.trim()}`).toBe(image.config.descriptor.digest)
    expectOneFetchOfEach()
  })
})
