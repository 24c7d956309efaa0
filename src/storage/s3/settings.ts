import type { Log } from '../../core/log.ts'

/** The section `storage.s3` of the configuration. */
export interface S3Settings {
  /** Empty: the SDK's default credentials are used (environment, profile, role of the machine). */
  readonly accesskey: string
  readonly secretkey: string
  readonly region: string
  /** A compatible store: a URL, or a host, whose scheme `secure` decides. */
  readonly regionendpoint: string
  readonly bucket: string
  readonly rootdirectory: string
  readonly secure: boolean
  readonly skipverify: boolean
  readonly v4auth: boolean
  readonly forcepathstyle?: boolean | undefined
  readonly accelerate: boolean
  readonly usedualstack: boolean
  readonly usefipsendpoint: boolean
  /** Encryption at rest, with the store's own key or that of `keyid`. */
  readonly encrypt: boolean
  readonly keyid: string
  readonly storageclass: string
  readonly objectacl: string
  /** Size of a part of an upload. */
  readonly chunksize: number
  /** Larger objects are copied in parts of `multipartcopychunksize` bytes, so many concurrently. */
  readonly multipartcopythresholdsize: number
  readonly multipartcopychunksize: number
  readonly multipartcopymaxconcurrency: number
  readonly useragent: string
  readonly loglevel: string
  /** The endpoint in redirect URLs, if it differs from the registry's own. */
  readonly redirectendpoint: string
}

export interface S3Options {
  readonly log: Log
  /** True if nothing may be written, not even a probe. Default: false. */
  readonly readOnly?: boolean
  /** Memory of all transfers, in bytes. Default: no limit. */
  readonly transferMemory?: number
  /** Idle timeout of requests, in milliseconds. Default: a minute. */
  readonly timeoutMs?: number
}
