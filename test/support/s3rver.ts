import { createHash, randomUUID } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { temporaryFolder } from './temporary-folder.ts'

/** An S3 server that needs nothing but Node, with one bucket. Whoever shows no credentials may read. */
export interface S3rver extends AsyncDisposable {
  readonly bucket: string
  readonly region: string
  /** Like `http://127.0.0.1:41231`, without a slash at the end. */
  readonly endpoint: string
  /** The credentials that it knows. */
  readonly accessKey: string
  readonly secretKey: string
}

/** The package has no types. */
interface Constructor {
  new (options: object): { run(): Promise<AddressInfo>; close(): Promise<void>; store: Store }
}

interface Store {
  putObject(object: StoredObject): Promise<{ size: number; md5: string }>
  putMetadata(bucket: string, key: string, metadata: object, md5: string): Promise<void>
  getResourcePath(bucket: string, key: string, resource: 'object'): string
}

interface StoredObject {
  readonly bucket: string
  readonly key: string
  readonly metadata: object
  readonly content: Buffer | Readable
}

export async function startS3rver(bucket: string): Promise<S3rver> {
  const Server = createRequire(import.meta.url)('s3rver') as Constructor
  const folder = await temporaryFolder()
  const server = new Server({
    ...{ address: '127.0.0.1', port: 0, silent: true, directory: folder.path },
    configureBuckets: [{ name: bucket }],
  })
  server.store.putObject = (object) => putWhole(server.store, object)
  const { port } = await server.run()
  return {
    bucket,
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    accessKey: 'S3RVER',
    secretKey: 'S3RVER',
    async [Symbol.asyncDispose]() {
      await server.close()
      await folder.remove()
    },
  }
}

/** By itself it answers before the object is written, and writes into the file that others read. */
async function putWhole(store: Store, { bucket, key, metadata, content }: StoredObject) {
  const bytes = Buffer.isBuffer(content) ? content : await buffer(content)
  const path = store.getResourcePath(bucket, key, 'object')
  const temporary = `${path}.${randomUUID()}`
  await mkdir(dirname(path), { recursive: true })
  await writeFile(temporary, bytes)
  await rename(temporary, path)
  const md5 = createHash('md5').update(bytes).digest('hex')
  await store.putMetadata(bucket, key, metadata, md5)
  return { size: bytes.length, md5 }
}
