/** `examples/s3-redis`: what its compose.yaml says is consistent, and the same parts, run from the same files without
 *  Docker, are one registry that goes on while either replica is down. */
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { entrepotMain } from './support/command.ts'
import { describeWith } from './support/describe-with.ts'
import { listeningUrl } from './support/entrepot-process.ts'
import { freePort } from './support/free-port.ts'
import { gzippedLayer, imageOf } from './support/oci-image.ts'
import { seededRandom } from './support/random.ts'
import { RegistryClient } from './support/registry-client.ts'
import { ServerProcess } from './support/server-process.ts'
import { temporaryFolder } from './support/temporary-folder.ts'
import { requireTool, run } from './support/tools.ts'

const folder = fileURLToPath(new URL('../examples/s3-redis', import.meta.url))
const fileOf = (name: string) => readFileSync(join(folder, name), 'utf8')

interface Service {
  readonly image?: string
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly secrets?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly stop_grace_period?: string
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly secrets: Readonly<Record<string, { readonly environment: string }>>
}

const { services, volumes, secrets }: Compose = parse(fileOf('compose.yaml'), { merge: true })
const replicas = ['entrepot-1', 'entrepot-2'] as const

describe('compose.yaml', () => {
  test.each(Object.entries(services))('%s has all that it names', (_name, service) => {
    expect(service.image).toMatch(/^[a-z/]+:[\w.-]+$/)
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(services).toHaveProperty([other])
      if (condition === 'service_healthy') expect(services[other]?.healthcheck, other).toBeDefined()
    }
    for (const [source = ''] of (service.volumes ?? []).map((volume) => volume.split(':'))) {
      if (source.startsWith('.')) expect(existsSync(join(folder, source)), source).toBe(true)
      else expect(volumes).toHaveProperty(source)
    }
    for (const secret of service.secrets ?? []) expect(secrets).toHaveProperty(secret)
    if (service.build !== undefined)
      expect(existsSync(join(folder, service.build.context, service.build.dockerfile))).toBe(true)
  })

  test('env.example has every variable that has to be set', () => {
    const needed = [
      ...Object.values(secrets).map(({ environment }) => environment),
      ...[...fileOf('compose.yaml').matchAll(/\$\{(\w+)/g)].map(([, name]) => name),
    ]
    expect(new Set(Object.keys(exampleEnvironment()))).toEqual(new Set(needed))
  })

  test('the replicas are the same, and have longer to stop than they need', () => {
    const [one, other] = replicas.map((name) => services[name])
    expect(one).toEqual(other)
    const { draintimeout } = parse(fileOf('config.yml')).http
    expect(Number.parseInt(one?.stop_grace_period ?? '', 10)).toBeGreaterThan(
      Number.parseInt(draintimeout, 10),
    )
  })
})

describeWith(['haproxy', 'redis-server', 'versitygw'], 'the parts of examples/s3-redis', () => {
  let parts: Parts
  beforeAll(async () => {
    parts = await Parts.start()
  })
  afterAll(() => parts?.[Symbol.asyncDispose]())

  test('are a registry, which either replica can leave', { timeout: 60_000 }, async () => {
    const client = new RegistryClient(parts.url)
    const image = imageOf([gzippedLayer([{ path: 'file', content: seededRandom('layer').bytes(12 << 20) }])])
    await client.pushImage('before', { tag: 'v1', image })
    for (const name of replicas) {
      await parts.stop(name)
      await client.pushImage(`without/${name}`, { tag: 'v1', image })
      for (const repository of ['before', `without/${name}`]) {
        expect(await client.manifest(repository, 'v1')).toEqual(image.manifest.bytes)
        const [{ descriptor, bytes } = image.config] = image.layers
        expect((await client.blob(repository, descriptor.digest))?.equals(bytes)).toBe(true)
      }
      await parts.untilBalancerSays(`entrepot/${name} is DOWN`)
      await parts.startReplica(name)
      await parts.untilBalancerSays(`entrepot/${name} is UP`)
    }
  })

  test('are healthy as their health checks see it', async () => {
    for (const name of replicas) {
      const [, , ...command] = services[name]?.healthcheck?.test ?? []
      const here = command.map((word) => word.replace('127.0.0.1:5000', parts.address(name)))
      await run(process.execPath, here)
    }
  })

  test('know every variable that they are given', () => {
    for (const name of replicas) expect(parts.output(name)).not.toMatch(/unknown key|names no key|no effect/)
  })
})

function exampleEnvironment(): Record<string, string> {
  const lines = fileOf('env.example').split('\n')
  const assignments = lines.filter((line) => /^\w+=/.test(line)).map((line) => line.split(/=(.*)/s))
  return Object.fromEntries(assignments.map(([name, value]) => [name, value]))
}

/** The services as processes: from the same files and with the same arguments, but for addresses and folders. */
class Parts implements AsyncDisposable {
  readonly #servers = new AsyncDisposableStack()
  readonly #replicas = new Map<string, ServerProcess>()
  readonly #folder: string
  readonly #ports: Readonly<Record<string, number>>
  #balancer: ServerProcess | undefined

  private constructor(folder: string, ports: Readonly<Record<string, number>>) {
    this.#folder = folder
    this.#ports = ports
  }

  static async start(): Promise<Parts> {
    const temporary = await temporaryFolder()
    const names = Object.keys(services)
    const ports = await Promise.all(names.map(async (name) => [name, await freePort()] as const))
    const parts = new Parts(temporary.path, Object.fromEntries(ports))
    parts.#servers.defer(() => temporary.remove())
    try {
      await Promise.all([parts.#startStore(), parts.#startRedis()])
      for (const name of replicas) await parts.startReplica(name)
      await parts.#startBalancer()
    } catch (error) {
      await parts[Symbol.asyncDispose]()
      throw error
    }
    return parts
  }

  get url(): string {
    return `http://${this.address('balancer')}`
  }

  async untilBalancerSays(text: string): Promise<void> {
    await expect.poll(() => this.#balancer?.output, { timeout: 20_000 }).toContain(text)
  }

  address(name: string): string {
    return `127.0.0.1:${this.#ports[name]}`
  }

  output(name: string): string {
    return this.#replicas.get(name)?.output ?? ''
  }

  async startReplica(name: string): Promise<void> {
    const environment = {
      ...(await this.#secretsOf(name)),
      REGISTRY_HTTP_ADDR: this.address(name),
      REGISTRY_REDIS_ADDR: this.address('redis'),
      REGISTRY_STORAGE_S3_REGIONENDPOINT: `http://${this.address('store')}`,
    }
    const [command = ''] = services[name]?.command ?? []
    const server = await ServerProcess.start({
      file: process.execPath,
      arguments: [entrepotMain, command, join(folder, 'config.yml')],
      environment,
      workingFolder: this.#folder,
      readyUrl: listeningUrl,
    })
    this.#replicas.set(name, server)
  }

  async stop(name: string): Promise<void> {
    expect(await this.#replicas.get(name)?.stop()).toBe(0)
  }

  /** The variables of the service, with secrets in files as they are mounted. */
  async #secretsOf(name: string): Promise<Record<string, string>> {
    const values = exampleEnvironment()
    const mounted = '/run/secrets/'
    const entries = Object.entries(services[name]?.environment ?? {}).map(async ([variable, path]) => {
      if (!path.startsWith(mounted)) return [variable, path]
      const secret = path.slice(mounted.length)
      const file = join(this.#folder, secret)
      await writeFile(file, values[secrets[secret]?.environment ?? ''] ?? '')
      return [variable, file]
    })
    return Object.fromEntries(await Promise.all(entries))
  }

  async #startStore(): Promise<void> {
    const { command = [], environment = {}, volumes: [volume = ''] = [] } = services.store ?? {}
    const root = command.at(-1) ?? ''
    const data = join(this.#folder, 'data')
    await mkdir(join(data, volume.split(`${root}/`)[1] ?? ''), { recursive: true })
    const values = exampleEnvironment()
    const url = `http://${this.address('store')}`
    await this.#start({
      file: requireTool('versitygw'),
      arguments: command.map((word) =>
        word === root ? data : word === ':7070' ? this.address('store') : word,
      ),
      environment: Object.fromEntries(
        Object.entries(environment).map(([name, text]) => [
          name,
          text.replace(/\$\{(\w+)[^}]*\}/, (_, variable) => values[variable] ?? ''),
        ]),
      ),
      readyUrl: () => url,
    })
    while ((await statusOf(`${url}/health`)) !== 200) await pause(20)
  }

  async #startRedis(): Promise<void> {
    const [program = '', ...options] = services.redis?.command ?? []
    await this.#start({
      file: requireTool(program),
      arguments: [...options, '--port', `${this.#ports.redis}`, '--bind', '127.0.0.1', '--dir', this.#folder],
      readyUrl: (line) => (/Ready to accept connections/.test(line) ? 'redis:' : undefined),
    })
  }

  /** As the image starts it: with a master and a worker. */
  async #startBalancer(): Promise<void> {
    this.#balancer = await this.#start({
      file: requireTool('haproxy'),
      arguments: ['-W', '-db', '-f', join(folder, 'haproxy.cfg')],
      environment: {
        LISTEN: this.address('balancer'),
        ENTREPOT_1: this.address('entrepot-1'),
        ENTREPOT_2: this.address('entrepot-2'),
      },
      readyUrl: (line) => (/Loading success/.test(line) ? this.url : undefined),
    })
  }

  async #start(command: Parameters<typeof ServerProcess.start>[0]): Promise<ServerProcess> {
    return this.#servers.use(await ServerProcess.start(command))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#replicas.values()) await server.kill()
    await this.#servers[Symbol.asyncDispose]()
  }
}

async function statusOf(url: string): Promise<number | undefined> {
  return fetch(url).then(
    ({ status }) => status,
    () => undefined,
  )
}
