/** Real S3 servers on free ports of 127.0.0.1, each with a folder of its own. */
import { rm, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { KeyPair } from './authority.ts'
import { freePort, freePorts } from './free-port.ts'
import { type ServerCommand, ServerProcess } from './server-process.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { requireTool } from './tools.ts'

/** The program that a kind of server is. */
export const s3Tools = {
  versitygw: 'versitygw',
  /** Its entity tags are no MD5 digests, as those of objects that a key of KMS encrypts. */
  'versitygw-checksums': 'versitygw',
  seaweedfs: 'weed',
} as const

export type S3Kind = keyof typeof s3Tools

export interface S3ServerOptions {
  /** For versitygw with TLS. */
  readonly keyPair?: KeyPair
}

const ACCESS_KEY: string = 'the-test'
const SECRET_KEY: string = 'the secret of the test'
const REGION: string = 'us-east-1'
const PAUSE_MS = 20

export class S3Server implements AsyncDisposable {
  readonly kind: S3Kind
  /** Like `http://127.0.0.1:41231`; buckets are the first part of a path. */
  readonly endpoint: string
  /** Made already, and empty. */
  readonly bucket: string = 'registry'
  readonly accessKey = ACCESS_KEY
  readonly secretKey = SECRET_KEY
  readonly region = REGION
  /** Its data folder. In versitygw's, every object is a file: `<bucket>/<key>`. */
  readonly folder: string
  /** Past the registry. */
  readonly client: S3Client
  readonly #server: ServerProcess
  readonly #clean: () => Promise<void>

  private constructor(
    kind: S3Kind,
    { server, folder, clean }: { server: ServerProcess; folder: string; clean(): Promise<void> },
  ) {
    this.kind = kind
    this.endpoint = server.url
    this.folder = folder
    this.#server = server
    this.#clean = clean
    this.client = new S3Client({
      endpoint: this.endpoint,
      region: REGION,
      forcePathStyle: true,
      credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
      requestHandler: { httpsAgent: { rejectUnauthorized: false } },
    })
  }

  /** @throws Error when the kind's program is not installed */
  static async start(kind: S3Kind, options: S3ServerOptions = {}): Promise<S3Server> {
    const file = requireTool(s3Tools[kind])
    const folder = await temporaryFolder()
    const { strays = [], ...command } = await commandOf[kind](folder.path, options)
    const clean = async () => {
      await Promise.all(strays.map((path) => rm(path, { force: true })))
      await folder.remove()
    }
    const server = await ServerProcess.start({ ...command, file }).catch(async (error) => {
      await clean()
      throw error
    })
    const started = new S3Server(kind, { server, folder: folder.path, clean })
    await started.#makeFirstBucket().catch(async (error) => {
      await started[Symbol.asyncDispose]()
      throw error
    })
    return started
  }

  /** The section `s3` of a registry's `storage`. */
  get settings() {
    return {
      accesskey: ACCESS_KEY,
      secretkey: SECRET_KEY,
      region: REGION,
      regionendpoint: this.endpoint,
      bucket: this.bucket,
      forcepathstyle: true,
      secure: false,
    }
  }

  async makeBucket(name: string): Promise<void> {
    await this.client.send(new CreateBucketCommand({ Bucket: name }))
  }

  /** It says that it is ready a moment before it listens. */
  async #makeFirstBucket(): Promise<void> {
    let hasEnded = false
    this.#server.exited.then(() => {
      hasEnded = true
    })
    for (;;) {
      try {
        return await this.makeBucket(this.bucket)
      } catch (error) {
        if (hasEnded) throw new Error(`${this.kind} has ended:\n${this.#server.output}`)
        if (!(error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED')) throw error
        await delay(PAUSE_MS)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy()
    await this.#server.kill()
    await this.#clean()
  }
}

interface S3Command extends Omit<ServerCommand, 'file'> {
  /** Files that it creates outside of its folder. */
  readonly strays?: readonly string[]
}

const commandOf: Record<S3Kind, (folder: string, options: S3ServerOptions) => Promise<S3Command>> = {
  versitygw: (folder, options) => versitygwCommand(folder, options),
  'versitygw-checksums': (folder, options) => versitygwCommand(folder, options, '--data-integrity-etag'),
  seaweedfs: seaweedfsCommand,
}

async function versitygwCommand(
  folder: string,
  { keyPair }: S3ServerOptions,
  ...posixOptions: readonly string[]
): Promise<S3Command> {
  const port = await freePort()
  const files = { cert: `${folder}.cert`, key: `${folder}.key` }
  if (keyPair !== undefined)
    await Promise.all([writeFile(files.cert, keyPair.cert), writeFile(files.key, keyPair.key)])
  const url = `${keyPair === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  return {
    arguments: [
      ...['--quiet', '--keep-alive', '--port', `127.0.0.1:${port}`],
      ...(keyPair === undefined ? [] : ['--cert', files.cert, '--key', files.key]),
      ...['posix', ...posixOptions, folder],
    ],
    environment: { ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY, VGW_REGION: REGION },
    // When it is quiet, nothing tells its address.
    readyUrl: (line) => (line.startsWith('No IAM service') ? url : undefined),
    strays: [files.cert, files.key],
  }
}

/** Its parts, each of which listens for HTTP and for gRPC. */
const SEAWEEDFS_PARTS = ['s3', 'master', 'filer', 'volume', 'admin'] as const

async function seaweedfsCommand(folder: string): Promise<S3Command> {
  const ports = await freePorts(2 * SEAWEEDFS_PARTS.length)
  const parts = SEAWEEDFS_PARTS.map((name, place) => ({
    name,
    port: ports[2 * place],
    grpcPort: ports[2 * place + 1],
  }))
  return {
    arguments: [
      ...['-logtostderr', 'mini', '-dir', folder, '-ip', '127.0.0.1', '-ip.bind', '127.0.0.1'],
      ...['-webdav=false', '-admin.ui=false', '-s3.port.iceberg=0', '-s3.port.lance=0'],
      ...['-admin.port.legacy=0', '-master.telemetry=false'],
      ...[`-s3.localSocket=${folder}/s3.sock`, `-filer.localSocket=${folder}/filer.sock`],
      ...parts.flatMap(({ name, port, grpcPort }) => [
        `-${name}.port=${port}`,
        `-${name}.port.grpc=${grpcPort}`,
      ]),
    ],
    environment: { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY },
    readyUrl: (line) => /S3 Endpoint: +(http:\S+)/.exec(line)?.[1],
    strays: parts.map(({ name, grpcPort }) => `/tmp/seaweedfs-${name}-grpc-${grpcPort}.sock`),
  }
}
