/** Every file in `examples/` starts a registry that answers. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { request as requestByTls } from 'node:https'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { accessFiles, basic } from './support/access.ts'
import { Authority } from './support/authority.ts'
import { AZURITE_ACCOUNT, AZURITE_KEY, Azurite } from './support/azurite.ts'
import { entrepotMain, runEntrepot } from './support/command.ts'
import { describeWith } from './support/describe-with.ts'
import { listeningUrl } from './support/entrepot-process.ts'
import { FakeGcsServer } from './support/fake-gcs-server.ts'
import { RedisProcess } from './support/redis-process.ts'
import { RegistryClient } from './support/registry-client.ts'
import { S3Server, s3Tools } from './support/s3-server.ts'
import { ServerProcess } from './support/server-process.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const folder = fileURLToPath(new URL('../examples', import.meta.url))
const examples = readdirSync(folder).filter((name) => name.endsWith('.yml'))
/** Those that need a server for what they store. */
const inBuckets = ['gcs.yml', 's3.yml']

interface Example {
  readonly storage: Readonly<Record<string, unknown>>
  readonly http: {
    readonly net?: string
    readonly prefix?: string
    readonly debug?: object
    readonly tls?: { readonly certificate?: string; readonly clientcas?: readonly string[] }
  }
  readonly auth?: Readonly<Record<string, unknown>>
}

test('there are examples', () => {
  expect(examples.length).toBeGreaterThan(5)
})

test.each(examples)('%s has no mistakes', async (name) => {
  await using temporary = await temporaryFolder()
  const { http, auth = {} }: Example = parse(readFileSync(join(folder, name), 'utf8'))
  const environment = {
    ...(http.tls && (await tlsFiles(http.tls, temporary.path)).environment),
    ...(await accessFiles(auth, temporary.path)),
  }
  const { code, stdout, stderr } = await runEntrepot(['config', 'check', join(folder, name)], { environment })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).not.toContain('auth.')
})

test.each(examples.filter((name) => !inBuckets.includes(name)))('%s', startsAndAnswers)

describeWith([s3Tools.versitygw], 's3.yml, over another store', () => {
  test('s3.yml', () => startsAndAnswers('s3.yml'))
})

async function startsAndAnswers(name: string): Promise<void> {
  await using temporary = await temporaryFolder()
  await using servers = new AsyncDisposableStack()
  const { storage, http, auth = {} }: Example = parse(readFileSync(join(folder, name), 'utf8'))
  const socketPath = http.net === 'unix' ? join(temporary.path, 'registry.sock') : undefined
  const tls = http.tls && (await tlsFiles(http.tls, temporary.path))
  const environment: Record<string, string> = {
    REGISTRY_HTTP_ADDR: socketPath ?? '127.0.0.1:0',
    REGISTRY_LOG_LEVEL: 'info', // says where it listens
    ...('filesystem' in storage
      ? { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(temporary.path, 'data') }
      : {}),
    ...('azure' in storage ? await azureEnvironment(servers) : {}),
    ...('s3' in storage ? await s3Environment(servers) : {}),
    ...tls?.environment,
    ...(await accessFiles(auth, temporary.path)),
    ...(http.debug && { REGISTRY_HTTP_DEBUG_ADDR: '127.0.0.1:0' }),
  }
  await using server = await ServerProcess.start({
    file: process.execPath,
    arguments: [entrepotMain, 'serve', join(folder, name)],
    environment,
    workingFolder: temporary.path,
    readyUrl: listeningUrl,
  })
  const path = `${http.prefix ?? '/'}v2/`
  const where = socketPath === undefined ? addressOf(server.url) : { socketPath }
  const needsLogin = 'htpasswd' in auth
  const headers = needsLogin ? basic('alice') : {}
  // Without an authority there is no certificate, and so no answer; `test:clients` has one.
  if (tls === undefined || tls.client !== undefined) {
    const place = { ...where, ...tls?.client }
    expect((await get(place, path)).status).toBe(needsLogin ? 401 : 200)
    expect(await get({ ...place, headers }, path)).toEqual({ status: 200, body: '{}' })
  }
  expect(server.url.startsWith('https:')).toBe(http.tls !== undefined)
  expect(await server.stop()).toBe(0)
}

/** A store in place of Amazon's. */
async function s3Environment(servers: AsyncDisposableStack) {
  const store = servers.use(await S3Server.start('versitygw'))
  return {
    REGISTRY_STORAGE_S3_REGIONENDPOINT: store.endpoint,
    REGISTRY_STORAGE_S3_BUCKET: store.bucket,
    REGISTRY_STORAGE_S3_REGION: store.region,
    AWS_ACCESS_KEY_ID: store.accessKey,
    AWS_SECRET_ACCESS_KEY: store.secretKey,
  }
}

/** An emulator in place of the account that an example names. */
async function azureEnvironment(servers: AsyncDisposableStack) {
  const azurite = servers.use(await Azurite.start())
  const { containerName } = await azurite.container()
  return {
    REGISTRY_STORAGE_AZURE_SERVICEURL: azurite.serviceUrl,
    REGISTRY_STORAGE_AZURE_ACCOUNTNAME: AZURITE_ACCOUNT,
    REGISTRY_STORAGE_AZURE_CREDENTIALS_TYPE: 'shared_key',
    REGISTRY_STORAGE_AZURE_ACCOUNTKEY: AZURITE_KEY,
    REGISTRY_STORAGE_AZURE_CONTAINER: containerName,
  }
}

/** Files in place of those that an example names, the variables that say so, and what its client has to show and to
 *  trust. */
async function tlsFiles({ certificate, clientcas }: NonNullable<Example['http']['tls']>, path: string) {
  const variable = (key: string, value: string) => ({ [`REGISTRY_HTTP_TLS_${key}`]: value })
  const cache = variable('LETSENCRYPT_CACHEFILE', join(path, 'certificates'))
  // Nobody is to be asked from here.
  if (certificate === undefined) {
    const nobody = variable('LETSENCRYPT_DIRECTORYURL', 'https://127.0.0.1:1/dir')
    return { environment: { ...cache, ...nobody }, client: undefined }
  }
  const authority = await Authority.create('the authority')
  const { cert, key } = await authority.issue('registry')
  const client = { ca: authority.cert, ...(await authority.issue('client')) }
  await writeFile(join(path, 'tls.crt'), cert)
  await writeFile(join(path, 'tls.key'), key)
  await writeFile(join(path, 'ca.pem'), authority.cert)
  const environment = {
    ...variable('CERTIFICATE', join(path, 'tls.crt')),
    ...variable('KEY', join(path, 'tls.key')),
    ...(clientcas && variable('CLIENTCAS', `[${join(path, 'ca.pem')}]`)),
  }
  return { environment, client }
}

function addressOf(url: string): { host: string; port: string } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port }
}

function get(where: object, path: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const send = 'ca' in where ? requestByTls : request
    const outgoing = send({ ...where, path, agent: false }, (incoming) => {
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
      readyUrl: listeningUrl,
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

describeWith(['fake-gcs-server'], 'gcs.yml', () => {
  test('has its content in a bucket', async () => {
    await using temporary = await temporaryFolder()
    await using gcs = await FakeGcsServer.start()
    await gcs.createBucket('my-registry')
    await using server = await ServerProcess.start({
      file: process.execPath,
      arguments: [entrepotMain, 'serve', join(folder, 'gcs.yml')],
      environment: { REGISTRY_HTTP_ADDR: '127.0.0.1:0', STORAGE_EMULATOR_HOST: gcs.url },
      workingFolder: temporary.path,
      readyUrl: listeningUrl,
    })
    const content = randomBytes(100)
    const digest = await new RegistryClient(server.url).pushBlob('a', content)
    const hex = digest.replace('sha256:', '')
    expect(Object.keys(await gcs.objects('my-registry'))).toContain(
      `registry/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`,
    )
    expect(await server.stop()).toBe(0)
  })
})
