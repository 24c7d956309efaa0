/** The shapes that a Redis comes in: with users, with TLS, watched over by sentinels, as a cluster. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RedisSettings } from '../src/cache/redis/settings.ts'
import type { Digest } from '../src/core/digest.ts'
import { parseRepositoryName } from '../src/core/reference.ts'
import { CountedSource, contentOf } from './contract/descriptor-cache.ts'
import { describeWith } from './support/describe-with.ts'
import { freePort } from './support/free-port.ts'
import { openRedisCache } from './support/redis-cache.ts'
import { RedisProcess } from './support/redis-process.ts'
import { ServerProcess } from './support/server-process.ts'
import { temporaryFolder } from './support/temporary-folder.ts'
import { requireTool, run } from './support/tools.ts'

const patient = { commandTimeoutMs: 10_000 }
const a = parseRepositoryName('a')
const contents = Array.from({ length: 20 }, (_, index) => `content ${index}`)

/** Two replicas share what they know, and hear of what the other evicts. Twenty entries are spread over all nodes. */
async function expectCoherent(settings: Partial<RedisSettings>): Promise<void> {
  await using one = await openRedisCache(settings, patient)
  await using other = await openRedisCache(settings, patient)
  for (const { cache } of [one, other]) await cache.reachable()
  const source = new CountedSource(a)
  const digests = contents.map((content) => source.put(content))
  for (const digest of digests) await one.cache.find(source, digest)
  const empty = new CountedSource(a)
  for (const [index, digest] of digests.entries()) {
    await expect.poll(() => other.cache.find(empty, digest)).toEqual(contentOf(contents[index]!))
  }
  await one.cache.evict(source, digests)
  const known = (digest: Digest) => other.cache.getIfCached(empty, digest) !== undefined
  await expect.poll(() => digests.filter(known)).toEqual([])
  for (const digest of digests) expect(await other.cache.find(empty, digest)).toBeUndefined()
  for (const { logged } of [one, other]) expect(logged.lines).toEqual([])
}

describeWith(['redis-server'], 'Redis', () => {
  test('with a user that may do what the cache needs and nothing else', async () => {
    await using redis = await RedisProcess.start()
    const commands = ['+getrange', '+set', '+del', '+client|tracking', '+client|setname', '+select']
    await redis.run(
      'ACL',
      'SETUSER',
      'registry',
      'on',
      '>secret',
      '~entrepot:*',
      '-@all',
      '+hello',
      ...commands,
    )
    await redis.run('ACL', 'SETUSER', 'default', 'off')
    await expectCoherent({ addr: redis.address, username: 'registry', password: 'secret' })
  })

  test('with a password alone, in a database of its own', async () => {
    await using redis = await RedisProcess.start({
      options: ['--requirepass', 'secret'],
      client: { password: 'secret' },
    })
    await expectCoherent({ addrs: [redis.address], password: 'secret', db: 3 })
    expect(await redis.run('DBSIZE')).toBe(0)
  })

  test('watched over by sentinels', async () => {
    await using redis = await RedisProcess.start()
    await using sentinel = await startSentinel(redis)
    await expectCoherent({ addrs: [sentinel.address], mastername: 'main' })
  })

  test('that sentinels replace by another, which is not believed', async () => {
    await using master = await RedisProcess.start()
    await using standby = await RedisProcess.start()
    await standby.run('REPLICAOF', '127.0.0.1', `${master.port}`)
    await using sentinel = await startSentinel(master)
    const settings = { addrs: [sentinel.address], mastername: 'main' }
    await using one = await openRedisCache(settings, patient)
    await using other = await openRedisCache(settings, patient)
    for (const { cache } of [one, other]) await cache.reachable()
    const source = new CountedSource(a)
    const digest = source.put('content')
    const key = `entrepot:m:blob:a@${digest}`
    await one.cache.find(source, digest)
    await expect.poll(() => standby.run('EXISTS', key), { timeout: 20_000 }).toBe(1)
    await sentinel.knows(standby)
    await master.kill()
    for (const { logged } of [one, other]) await logged.until('Redis cannot be used')
    source.links.clear()
    for (const { cache } of [one, other]) {
      // What it knew is believed until it has noticed.
      await expect.poll(() => cache.find(source, digest)).toBeUndefined()
      await cache.reachable()
      expect(await cache.find(source, digest)).toBeUndefined()
    }
    expect(await standby.run('GET', key)).toBe('gone')
    await expectCoherent(settings)
  })
})

/** One that decides alone, and soon, that a master is down. */
async function startSentinel(master: RedisProcess) {
  const folder = await temporaryFolder()
  const port = await freePort()
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `sentinel monitor main 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds main 1000',
    'sentinel failover-timeout main 5000',
  ]
  const config = join(folder.path, 'sentinel.conf')
  await writeFile(config, lines.join('\n'))
  const server = await ServerProcess.start({
    file: requireTool('redis-server'),
    arguments: [config, '--sentinel'],
    workingFolder: folder.path,
    readyUrl: (line) => (/\+monitor master main/.test(line) ? `redis://127.0.0.1:${port}` : undefined),
  })
  return {
    address: `127.0.0.1:${port}`,
    /** Fulfilled when it has heard of a standby that it may promote. */
    async knows(standby: RedisProcess): Promise<void> {
      await expect
        .poll(() => server.output, { timeout: 60_000 })
        .toMatch(`+slave slave 127.0.0.1:${standby.port}`)
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await server.kill()
      await folder.remove()
    },
  }
}

describeWith(['redis-server', 'openssl'], 'Redis', () => {
  test('with TLS, and certificates on both sides', async () => {
    await using folder = await temporaryFolder()
    const file = (name: string) => join(folder.path, name)
    const [key, certificate] = [file('key.pem'), file('certificate.pem')]
    await run('openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...[
        '-subj',
        '/CN=127.0.0.1',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
        '-keyout',
        key,
        '-out',
        certificate,
      ],
    ])
    const tls = {
      certificate: await readFile(certificate),
      key: await readFile(key),
      rootcas: [await readFile(certificate)],
    }
    await using redis = await RedisProcess.start({
      isEncrypted: true,
      options: ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate],
    })
    await expectCoherent({ addr: redis.address, tls })
    await using stranger = await openRedisCache({ addr: redis.address })
    await stranger.logged.until('Redis cannot be used')
  })
})

describeWith(['redis-server', 'redis-cli'], 'Redis', () => {
  test('as a cluster', async () => {
    await using nodes = new AsyncDisposableStack()
    const members: RedisProcess[] = []
    for (let node = 0; node < 3; node++)
      members.push(nodes.use(await RedisProcess.start({ options: ['--cluster-enabled', 'yes'] })))
    const addresses = members.map(({ address }) => address)
    await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'])
    for (const member of members)
      await expect.poll(async () => String(await member.run('CLUSTER', 'INFO'))).toContain('cluster_state:ok')
    await expectCoherent({ addrs: addresses })
  })
})
