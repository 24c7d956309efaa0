/** What the processes of a registry share: everything they keep can also be read past them. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Azurite } from '../../support/azurite.ts'
import { FakeGcsServer } from '../../support/fake-gcs-server.ts'
import { eachInTurns } from '../../support/in-turns.ts'
import { RedisProcess } from '../../support/redis-process.ts'
import type { RegistryOptions } from '../../support/registry-process.ts'
import { S3Server } from '../../support/s3-server.ts'

export interface Store {
  /** What a process is told of it. */
  readonly options: Pick<RegistryOptions, 'storage' | 'config' | 'environment'>
  /** A folder with all that it holds, as a driver for folders would keep it. */
  files(): Promise<string>
}

interface Parts {
  readonly servers: AsyncDisposableStack
  /** Empty, for whatever is needed. */
  readonly folder: string
}

const MIB = 1024 ** 2
const redirect = { disable: true }

export async function folderStore({ folder }: Parts): Promise<Store> {
  const root = join(folder, 'data')
  return { options: { storage: { filesystem: { rootdirectory: root } } }, files: async () => root }
}

export async function folderAndRedis(parts: Parts): Promise<Store> {
  const redis = parts.servers.use(await RedisProcess.start())
  const { options, files } = await folderStore(parts)
  return { options: { ...options, config: { redis: { addr: redis.address } } }, files }
}

/** Its uploads are in parts from 5 MiB on. */
export async function s3Store({ servers }: Parts): Promise<Store> {
  const server = servers.use(await S3Server.start('versitygw'))
  const s3 = { ...server.settings, chunksize: 5 * MIB }
  return { options: { storage: { s3, redirect } }, files: async () => join(server.folder, server.bucket) }
}

export async function azureStore({ servers, folder }: Parts): Promise<Store> {
  const server = servers.use(await Azurite.start())
  const container = await server.container()
  const azure = { connectionstring: server.connectionString, container: container.containerName }
  const files = async () => {
    const names: string[] = []
    for await (const { name } of container.listBlobsFlat()) names.push(name)
    return copy(folder, names, (name) => container.getBlobClient(name).downloadToBuffer())
  }
  return { options: { storage: { azure, redirect } }, files }
}

export async function gcsStore({ servers, folder }: Parts): Promise<Store> {
  const server = servers.use(await FakeGcsServer.start())
  const bucket = await server.createBucket()
  const read = async (name: string) => {
    const answer = await fetch(`${server.url}/b/${bucket}/o/${encodeURIComponent(name)}?alt=media`)
    return new Uint8Array(await answer.arrayBuffer())
  }
  const files = async () => copy(folder, Object.keys(await server.objects(bucket)), read)
  const options = {
    storage: { gcs: { bucket, chunksize: 256 * 1024 }, redirect },
    environment: { STORAGE_EMULATOR_HOST: server.url },
  }
  return { options, files }
}

async function copy(
  folder: string,
  names: readonly string[],
  read: (name: string) => Promise<Uint8Array>,
): Promise<string> {
  const root = join(folder, 'copy')
  await eachInTurns(names, async (name) => {
    const file = join(root, name)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, await read(name))
  })
  return root
}
