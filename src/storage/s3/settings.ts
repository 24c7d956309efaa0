import type { Log } from '../../core/log.ts'

/** The section `storage.s3` of the configuration. */
export interface S3Settings {
  /** Both empty: the SDK looks for credentials where it always does (environment, profile, role of the machine). */
  readonly accesskey: string
  readonly secretkey: string
  readonly region: string
  /** Of a store that is not Amazon's: a URL, or a host, to which `secure` gives the scheme. */
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
  /** Encryption at rest: by the store's own key, or by the one that `keyid` names. */
  readonly encrypt: boolean
  readonly keyid: string
  readonly storageclass: string
  readonly objectacl: string
  /** Bytes of a part of an upload. */
  readonly chunksize: number
  /** A larger object is copied in parts of `multipartcopychunksize` bytes, so many at once. */
  readonly multipartcopythresholdsize: number
  readonly multipartcopychunksize: number
  readonly multipartcopymaxconcurrency: number
  readonly useragent: string
  readonly loglevel: string
  /** Where clients are sent instead of the endpoint that the registry uses itself. */
  readonly redirectendpoint: string
}

export interface S3Options {
  readonly log: Log
  /** True where nothing may be written, not even to see what the store can do. Default: false. */
  readonly readOnly?: boolean
  /** What all transfers may hold in memory, in bytes. Default: any. */
  readonly transferMemory?: number
  /** How long the store may say nothing, in milliseconds. Default: a minute. */
  readonly timeoutMs?: number
}
