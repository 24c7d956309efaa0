/** Every file in `examples/` starts a registry that answers. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { entrepotMain } from './support/command.ts'
import { describeWith } from './support/describe-with.ts'
import { listeningUrl } from './support/entrepot-process.ts'
import { RedisProcess } from './support/redis-process.ts'
import { RegistryClient } from './support/registry-client.ts'
import { ServerProcess } from './support/server-process.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const folder = fileURLToPath(new URL('../examples', import.meta.url))
const examples = readdirSync(folder)

interface Example {
  readonly storage: Readonly<Record<string, unknown>>
  readonly http: { readonly net?: string; readonly prefix?: string; readonly debug?: object }
}

test('there are examples', () => {
  expect(examples.length).toBeGreaterThan(5)
})

test.each(examples)('%s', async (name) => {
  await using temporary = await temporaryFolder()
  const { storage, http }: Example = parse(readFileSync(join(folder, name), 'utf8'))
  const socketPath = http.net === 'unix' ? join(temporary.path, 'registry.sock') : undefined
  const environment: Record<string, string> = {
    REGISTRY_HTTP_ADDR: socketPath ?? '127.0.0.1:0',
    ...('filesystem' in storage
      ? { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(temporary.path, 'data') }
      : {}),
    ...(http.debug && { REGISTRY_HTTP_DEBUG_ADDR: '127.0.0.1:0' }),
  }
  await using server = await ServerProcess.start({
    file: process.execPath,
    arguments: [entrepotMain, 'serve', join(folder, name)],
    environment,
    workingFolder: temporary.path,
    readyUrl: (line) => /listens on (\S+)/.exec(line)?.[1] ?? listeningUrl(line),
  })
  const path = `${http.prefix ?? '/'}v2/`
  const where = socketPath === undefined ? addressOf(server.url) : { socketPath }
  expect(await get(where, path)).toEqual({ status: 200, body: '{}' })
  expect(await server.stop()).toBe(0)
})

function addressOf(url: string): { host: string; port: string } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port }
}

function get(where: object, path: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...where, path, agent: false }, (incoming) => {
      buffer(incoming).then(
        (bytes) => resolve({ status: incoming.statusCode, body: bytes.toString() }),
        reject,
      )
    })
    outgoing.on('error', reject).end()
  })
}

describeWith(['redis-server'], 'redis.yml', () => {
  test('has its cache in Redis', async () => {
    await using temporary = await temporaryFolder()
    await using redis = await RedisProcess.start()
    await redis.run('ACL', 'SETUSER', 'registry', 'on', '>secret', '~entrepot:*', '+@all')
    await using server = await ServerProcess.start({
      file: process.execPath,
      arguments: [entrepotMain, 'serve', join(folder, 'redis.yml')],
      environment: {
        REGISTRY_HTTP_ADDR: '127.0.0.1:0',
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(temporary.path, 'data'),
        REGISTRY_REDIS_ADDR: redis.address,
        REGISTRY_REDIS_PASSWORD: 'secret',
      },
      workingFolder: temporary.path,
      readyUrl: (line) => /listens on (\S+)/.exec(line)?.[1],
    })
    const client = new RegistryClient(server.url)
    const keys = async () => Number(await redis.run('DBSIZE'))
    const pushed = async () => {
      await client.pushBlob('a', randomBytes(8))
      return keys()
    }
    await expect.poll(pushed).toBeGreaterThan(0)
  })
})
