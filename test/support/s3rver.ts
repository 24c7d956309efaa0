import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
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
  new (options: object): { run(): Promise<AddressInfo>; close(): Promise<void> }
}

export async function startS3rver(bucket: string): Promise<S3rver> {
  const Server = createRequire(import.meta.url)('s3rver') as Constructor
  const folder = await temporaryFolder()
  const server = new Server({
    ...{ address: '127.0.0.1', port: 0, silent: true, directory: folder.path },
    configureBuckets: [{ name: bucket }],
  })
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
