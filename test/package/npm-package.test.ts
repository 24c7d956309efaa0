import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { listeningUrl } from '../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { writeConfig } from '../support/registry-process.ts'
import { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { run } from '../support/tools.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** The Node that runs the tests comes first, whatever else the machine has. */
const environment = { PATH: `${dirname(process.execPath)}:${process.env.PATH}` }

describeWith(['npm'], 'the package', () => {
  let folder: TemporaryFolder
  let entrepot: string
  let archive: string

  beforeAll(async () => {
    folder = await temporaryFolder()
    const prefix = join(folder.path, 'prefix')
    await run('npm', ['pack', '--pack-destination', folder.path], { workingFolder: project, environment })
    archive = join(folder.path, (await readdir(folder.path)).find((name) => name.endsWith('.tgz')) ?? '')
    await run('npm', ['install', '--global', '--prefix', prefix, '--prefer-offline', archive], {
      workingFolder: folder.path,
      environment,
    })
    entrepot = join(prefix, 'bin/entrepot')
  })
  afterAll(() => folder?.remove())

  test('knows its version', async () => {
    const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))
    expect(await run(entrepot, ['--version'], { environment })).toContain(version)
  })

  test('runs in a checkout as well', async () => {
    const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))
    const options = { workingFolder: project, environment }
    expect(await run('npx', ['--no-install', 'entrepot', '--version'], options)).toContain(version)
  })

  test('checks a configuration', async () => {
    const config = await writeConfig('checked', {
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
    })
    await run(entrepot, ['config', 'check', config], { environment })
  })

  /** @param node what runs it */
  async function expectToServe(node: string): Promise<void> {
    const config = await writeConfig('served', {
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
    })
    await using server = await ServerProcess.start({
      file: node,
      arguments: [entrepot, 'serve', config],
      environment,
      workingFolder: folder.path,
      readyUrl: listeningUrl,
    })
    const client = new RegistryClient(server.url)
    expect(await (await client.request('/v2/', { expect: [200] })).json()).toEqual({})
    const image = imageOf([gzippedLayer([{ path: 'hello', content: 'world' }])])
    await client.pushImage('packaged', { tag: 'v1', image })
    expect(await client.manifest('packaged', 'v1')).toEqual(image.manifest.bytes)
    expect(await server.stop()).toBe(0)
  }

  test('serves, takes an image and gives it back, and ends when it is asked to', async () => {
    await expectToServe(process.execPath)
  })

  test('does so on the oldest Node that is promised', async () => {
    const prefix = join(folder.path, 'oldest')
    await mkdir(prefix)
    const install = ['install', '--no-save', '--prefer-offline', '--prefix', prefix]
    await run('npm', [...install, `node@${await oldestNode()}`], { workingFolder: prefix, environment })
    const node = join(prefix, 'node_modules/.bin/node')
    expect(await run(node, ['--version'])).toMatch(new RegExp(`^v${await oldestNode()}\\.`))
    await expectToServe(node)
  })

  /** What npm says of the package, run by the Node that is installed. */
  async function installWarnings(): Promise<string> {
    const prefix = join(folder.path, 'older')
    await mkdir(prefix)
    const options = ['--package-lock-only', '--prefer-offline', '--prefix', prefix, archive]
    const npm = spawn('/usr/bin/npm', ['install', ...options], {
      cwd: prefix,
      // Where these tests were started by a silent npm, this one would be too.
      env: { ...process.env, PATH: '/usr/bin:/bin', npm_config_loglevel: 'warn' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const [stderr] = await Promise.all([text(npm.stderr), once(npm, 'close')])
    const [own = ''] = /EBADENGINE[^}]*entrepot[^}]*\}/.exec(stderr) ?? []
    return own
  }

  test('says which Node it needs where that one is too old', async ({ skip }) => {
    const installed = await run('/usr/bin/node', ['--version']).catch(() => undefined)
    const major = Number(/^v(\d+)/.exec(installed ?? '')?.[1])
    const isOlder = major < Number(await oldestNode())
    skip(!isOlder, 'there is no older Node at /usr/bin/node')
    const refused = run('/usr/bin/node', [entrepot, '--version'])
    await expect(refused).rejects.toThrow(
      `needs Node.js ${await oldestNode()} or later, and this is ${major}`,
    )
    expect(await installWarnings()).toContain(`required: { node: '>=${await oldestNode()}' }`)
  })
})

/** Its major version, by package.json. */
async function oldestNode(): Promise<string> {
  const { engines } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))
  return /^>=(\d+)$/.exec(engines.node)?.[1] ?? ''
}

test('npm start serves a registry, and says where', async () => {
  await using folder = await temporaryFolder()
  await using server = await ServerProcess.start({
    file: 'npm',
    arguments: ['start'],
    environment: {
      ...environment,
      REGISTRY_HTTP_ADDR: '127.0.0.1:0',
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: folder.path,
    },
    workingFolder: project,
    readyUrl: listeningUrl,
  })
  const client = new RegistryClient(server.url)
  const digest = await client.pushBlob('first', Buffer.from('bytes'))
  expect(await client.hasBlob('first', digest)).toBe(true)
  await server.stop()
})
