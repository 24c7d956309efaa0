/** S3 drivers over real servers, each in a root directory of its own. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import type { S3Options, S3Settings } from '../../src/storage/s3/settings.ts'
import { S3Driver } from '../../src/storage/s3.ts'
import type { DriverUnderTest } from '../contract/storage-driver.ts'
import { FaultyProxy, type StoreRequest } from './faulty-proxy.ts'
import { RecordedLog } from './recorded-log.ts'
import { s3Operation } from './s3-operation.ts'
import { type S3Kind, S3Server, type S3ServerOptions, s3Tools } from './s3-server.ts'
import { findTool } from './tools.ts'

export const MIB = 1024 ** 2

export type S3Place = Pick<S3Server, 'endpoint' | 'bucket' | 'region' | 'accessKey' | 'secretKey'>

/** What the configuration says where it says nothing but where the server is. */
export function s3Settings(server: S3Place, settings: Partial<S3Settings> = {}): S3Settings {
  return {
    accesskey: server.accessKey,
    secretkey: server.secretKey,
    region: server.region,
    regionendpoint: server.endpoint,
    bucket: server.bucket,
    rootdirectory: randomUUID(),
    secure: false,
    skipverify: false,
    v4auth: true,
    accelerate: false,
    usedualstack: false,
    usefipsendpoint: false,
    encrypt: false,
    keyid: '',
    storageclass: 'STANDARD',
    objectacl: 'private',
    chunksize: 5 * MIB,
    multipartcopythresholdsize: 32 * MIB,
    multipartcopychunksize: 32 * MIB,
    multipartcopymaxconcurrency: 100,
    useragent: '',
    loglevel: '',
    redirectendpoint: '',
    ...settings,
  }
}

/** The kind, where its program is there; the reason why not, to be the name of what is skipped. */
export function skipReason(kind: S3Kind): string | undefined {
  const tool = s3Tools[kind]
  return findTool(tool) === undefined ? `${tool} is not installed (test/e2e/install-tools.sh)` : undefined
}

/** One server for a whole test file. */
export function s3ServerForTests(
  kind: S3Kind,
  options: () => Promise<S3ServerOptions> = async () => ({}),
): () => S3Server {
  let server: S3Server | undefined
  beforeAll(async () => {
    server = await S3Server.start(kind, await options())
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  return () => server as S3Server
}

/** Drivers over one place, as several replicas have them. */
export class S3Replicas implements AsyncDisposable {
  readonly settings: S3Settings
  readonly logged: RecordedLog
  readonly #options: Omit<S3Options, 'log'>
  readonly #drivers: S3Driver[] = []

  private constructor(
    settings: S3Settings,
    { logged, options }: { logged: RecordedLog; options: Omit<S3Options, 'log'> },
  ) {
    this.settings = settings
    this.logged = logged
    this.#options = options
  }

  static async start(settings: S3Settings, options: Omit<S3Options, 'log'> = {}): Promise<S3Replicas> {
    return new S3Replicas(settings, { logged: await RecordedLog.start(), options })
  }

  async open(settings: Partial<S3Settings> = {}): Promise<S3Driver> {
    const options = { ...this.#options, log: this.logged.log }
    const driver = await S3Driver.open({ ...this.settings, ...settings }, options)
    this.#drivers.push(driver)
    return driver
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const driver of this.#drivers) await driver.close()
  }
}

export async function s3DriverUnderTest(server: S3Place): Promise<DriverUnderTest> {
  const replicas = await S3Replicas.start(s3Settings(server))
  return {
    driver: await replicas.open(),
    another: () => replicas.open(),
    close: () => replicas[Symbol.asyncDispose](),
  }
}

export interface BehindProxyOptions extends Omit<S3Options, 'log'> {
  /** The conditions that the driver behind the proxy takes the store to pass over. */
  readonly ignores?: readonly IgnoredCondition[]
  readonly settings?: Partial<S3Settings>
}

/** A driver that reaches the store through a proxy, and drivers of other replicas that reach it past it. */
export class S3BehindProxy implements AsyncDisposable {
  readonly proxy: FaultyProxy
  readonly place: S3Replicas
  readonly driver: S3Driver
  readonly past: S3Driver

  private constructor(parts: { proxy: FaultyProxy; place: S3Replicas; driver: S3Driver; past: S3Driver }) {
    this.proxy = parts.proxy
    this.place = parts.place
    this.driver = parts.driver
    this.past = parts.past
  }

  static async start(
    server: S3Place,
    { ignores = [], settings, ...options }: BehindProxyOptions = {},
  ): Promise<S3BehindProxy> {
    const proxy = await FaultyProxy.start(server.endpoint)
    const place = await S3Replicas.start(s3Settings(server, settings), options)
    proxy.fault = (asked) => (ignores.some((what) => isProbeOf(what, asked)) ? doneAnyway(asked) : undefined)
    const driver = await place.open({ regionendpoint: proxy.endpoint })
    proxy.fault = () => undefined
    const past = await place.open()
    proxy.forget()
    return new S3BehindProxy({ proxy, place, driver, past })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.place[Symbol.asyncDispose]()
    await this.proxy[Symbol.asyncDispose]()
  }
}

/** A request, and a header that many stores pass over in it. */
export type IgnoredCondition = readonly [operation: string, header: string]

function isProbeOf([operation, header]: IgnoredCondition, asked: StoreRequest): boolean {
  return asked.path.includes('~probe.') && s3Operation(asked) === operation && header in asked.headers
}

function doneAnyway(asked: StoreRequest) {
  const result = `${s3Operation(asked).replace('UploadPartCopy', 'CopyPart')}Result`
  const body = `<?xml version="1.0" encoding="UTF-8"?><${result}><ETag>"00"</ETag></${result}>`
  return { kind: 'answer', status: 200, headers: { etag: '"00"' }, body } as const
}
