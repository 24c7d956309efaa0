import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import type { Log } from '../../core/log.ts'
import { DirectHttpHandler } from './direct-http/handler.ts'
import type { S3Options, S3Settings } from './settings.ts'

const DEFAULT_TIMEOUT_MS = 60_000
const CONNECTION_TIMEOUT_MS = 5_000

/** Allows several concurrent uploads and downloads, each with several requests. */
const MAX_CONNECTIONS = 256

/** Attempts at a request; the SDK waits longer after each. */
const MAX_ATTEMPTS = 6

export function createClient(
  settings: S3Settings,
  { log, timeoutMs = DEFAULT_TIMEOUT_MS }: S3Options,
): S3Client {
  return new S3Client({
    ...commonConfig(settings),
    endpoint: settings.regionendpoint === '' ? undefined : withScheme(settings.regionendpoint, settings),
    maxAttempts: MAX_ATTEMPTS,
    logger: loggerFor(settings.loglevel, log),
    requestHandler: new DirectHttpHandler({
      connectionTimeoutMs: CONNECTION_TIMEOUT_MS,
      timeoutMs,
      maxConnections: MAX_CONNECTIONS,
      rejectUnauthorized: !settings.skipverify,
    }),
  })
}

/** A client that sends nothing, but signs URLs for clients. */
export function createSigner(settings: S3Settings): S3Client {
  const endpoint = settings.redirectendpoint || settings.regionendpoint
  return new S3Client({
    ...commonConfig(settings),
    endpoint: endpoint === '' ? undefined : withScheme(endpoint, settings),
  })
}

function commonConfig(settings: S3Settings): S3ClientConfig {
  const { accesskey, secretkey, region, regionendpoint, forcepathstyle, useragent } = settings
  return {
    region: region === '' ? 'us-east-1' : region,
    credentials: accesskey === '' ? undefined : { accessKeyId: accesskey, secretAccessKey: secretkey },
    forcePathStyle: forcepathstyle ?? regionendpoint !== '',
    useAccelerateEndpoint: settings.accelerate,
    useDualstackEndpoint: settings.usedualstack,
    useFipsEndpoint: settings.usefipsendpoint,
    customUserAgent: useragent === '' ? undefined : useragent,
    tls: settings.secure,
    // Other stores often lack support for trailing checksums. Sent content is signed with its SHA-256.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  }
}

function withScheme(endpoint: string, { secure }: S3Settings): string {
  if (/^https?:\/\//.test(endpoint)) return endpoint
  return `${secure ? 'https' : 'http'}://${endpoint}`
}

/** All of Distribution's levels log the requests; their content is never logged. */
function loggerFor(level: string, log: Log): S3ClientConfig['logger'] {
  if (level === '' || level === 'off') return undefined
  const say = (...[entry]: unknown[]) => log.info(described(entry), 'S3 request')
  return { trace() {}, debug() {}, info: say, warn: say, error: say }
}

function described(entry: unknown): Record<string, unknown> {
  const { commandName, metadata, error } = (entry ?? {}) as Record<string, unknown>
  return { commandName, metadata, error: error instanceof Error ? error.message : undefined }
}
