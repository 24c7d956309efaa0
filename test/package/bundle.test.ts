import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { listeningUrl } from '../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { OtelCollector } from '../support/otel-collector.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { type RegistryOptions, writeConfig } from '../support/registry-process.ts'
import { S3Server } from '../support/s3-server.ts'
import { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { findTool, run } from '../support/tools.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))

/** CycloneDX 1.6. */
interface Bom {
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } }
  readonly components: readonly {
    readonly name: string
    readonly version: string
    readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
    readonly licenses?: readonly object[]
  }[]
}

/** As a log in colours says it. */
function shownUrl(line: string): string | undefined {
  return /INFO.*: listening.*"address":"([^"]+)"/.exec(stripVTControlCharacters(line))?.[1]
}

/** The Node that runs the tests is the `node` that the bundle finds. */
const environment = { PATH: `${dirname(process.execPath)}:${process.env.PATH}` }

async function makeBundle(): Promise<string> {
  const archive = (await run(process.execPath, ['packaging/archive.ts'], { workingFolder: project })).trim()
  expect(archive).toMatch(/entrepot-[\d.]+-\w+-\w+\.tar\.gz$/)
  return archive
}

async function sha256Of(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
}

describeWith(['tar', 'gzip'], 'the bundle', () => {
  let folder: TemporaryFolder
  let entrepot: string
  let sha256: string

  beforeAll(async () => {
    folder = await temporaryFolder()
    const archive = await makeBundle()
    sha256 = await sha256Of(archive)
    await mkdir(join(folder.path, 'entrepot'))
    await run('tar', ['-xzf', archive, '-C', join(folder.path, 'entrepot'), '--strip-components=1'])
    entrepot = join(folder.path, 'entrepot/bin/entrepot')
  })
  afterAll(() => folder?.remove())

  /** @param options.terminal whether it is run in one */
  async function serve({
    terminal = false,
    ...options
  }: Partial<RegistryOptions> & { terminal?: boolean }): Promise<ServerProcess> {
    const config = await writeConfig('served', {
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
      ...options,
    })
    return ServerProcess.start({
      file: terminal ? 'script' : entrepot,
      arguments: terminal ? ['-qec', `exec ${entrepot} serve ${config}`, '/dev/null'] : ['serve', config],
      environment: { ...environment, ...options.environment },
      workingFolder: folder.path,
      readyUrl: terminal ? shownUrl : listeningUrl,
    })
  }

  const image = imageOf([gzippedLayer([{ path: 'hello', content: 'world' }])])

  test('is the same, byte by byte, when it is made again', async () => {
    expect(await sha256Of(await makeBundle())).toBe(sha256)
  })

  test('lists the packages that it is made of, as npm has them', async () => {
    const bom: Bom = JSON.parse(await readFile(join(entrepot, '../../sbom.cdx.json'), 'utf8'))
    const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))
    expect(bom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 })
    expect(bom.metadata.component).toMatchObject({ name: 'entrepot', version })
    const names = bom.components.map(({ name }) => name)
    for (const name of ['undici', 'pino', 'zod', '@aws-sdk/client-s3', '@opentelemetry/sdk-trace', 'preact'])
      expect(names).toContain(name)
    expect(names.filter((name) => /^@node-rs\/bcrypt-linux/.test(name))).toHaveLength(1)
    for (const name of ['typescript', 'vitest', 'esbuild', 'azurite']) expect(names).not.toContain(name)
    const lock = JSON.parse(await readFile(join(project, 'package-lock.json'), 'utf8'))
    const locked = new Set(
      Object.entries<{ version: string; integrity?: string }>(lock.packages).map(
        ([path, { version, integrity = '' }]) => {
          const sha512 = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex')
          return `${path.replace(/^.*node_modules\//, '')}@${version} ${sha512}`
        },
      ),
    )
    for (const { name, version, hashes = [], licenses } of bom.components) {
      expect(locked).toContain(`${name}@${version} ${hashes[0]?.content}`)
      expect(licenses, name).toHaveLength(1)
    }
  })

  test.skipIf(findTool('otel-collector') === undefined)('makes traces when it is asked to', async () => {
    await using collector = await OtelCollector.start(folder.path)
    await using server = await serve({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } })
    await new RegistryClient(server.url).pushImage('traced', { tag: 'v1', image })
    expect(await server.stop()).toBe(0)
    const names = async () => (await collector.spans()).map(({ name }) => name)
    await expect.poll(names).toContain('PUT /v2/{name}/manifests/{reference}')
  })

  test('imports no module of Node as a whole, but in its entry', async () => {
    const code = join(entrepot, '../../lib/app')
    for (const file of await readdir(code)) {
      if (!file.endsWith('.mjs') || file === 'main.mjs') continue
      const imports = /(?<=^|[;}\n])import[^;("'`]*"node:[\w/]+";/.exec(
        await readFile(join(code, file), 'utf8'),
      )
      expect(imports?.[0], file).toBeUndefined()
    }
  })

  test('knows its version', async () => {
    const { version } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8'))
    expect(await run(entrepot, ['--version'], { environment })).toContain(version)
  })

  test('serves users with passwords, in several processes', async () => {
    const users = join(folder.path, 'users')
    await run('sh', ['-c', `echo secret | ${entrepot} htpasswd ${users} alice`], { environment })
    await using server = await serve({
      config: {
        http: { addr: '127.0.0.1:0', secret: 'the same in every process', workers: 2 },
        auth: { htpasswd: { realm: 'bundle', path: users } },
      },
    })
    const ask = (password: string) => {
      const authorization = `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`
      return fetch(`${server.url}/v2/`, { headers: { authorization } })
    }
    expect((await ask('secret')).status).toBe(200)
    expect((await ask('guessed')).status).toBe(401)
    expect(await server.stop()).toBe(0)
  })

  test.skipIf(findTool('script') === undefined)('writes its log for people in a terminal', async () => {
    await using server = await serve({
      terminal: true,
      config: { log: {}, http: { addr: '127.0.0.1:0', secret: 'the same in every process' } },
    })
    const client = new RegistryClient(server.url)
    await client.pushImage('bundled', { tag: 'v1', image })
    expect(await client.manifest('bundled', 'v1')).toEqual(image.manifest.bytes)
    await expect.poll(() => stripVTControlCharacters(server.output)).toMatch(/INFO.*: listening/)
    process.kill(Number(/\((\d+)\): listening/.exec(stripVTControlCharacters(server.output))?.[1]), 'SIGTERM')
    expect(await server.exited).toBe(0)
  })

  test.skipIf(findTool('versitygw') === undefined)('keeps images in a bucket', async () => {
    await using bucket = await S3Server.start('versitygw')
    await using server = await serve({ storage: { s3: bucket.settings } })
    const client = new RegistryClient(server.url)
    await client.pushImage('bundled', { tag: 'v1', image })
    expect(await client.manifest('bundled', 'v1')).toEqual(image.manifest.bytes)
  })
})
