import { getSignedUrl } from '@aws-sdk/cloudfront-signer'
import { LRUCache } from 'lru-cache'
import type { RedirectedClient, StorageDriver } from '../../core/storage-driver.ts'
import { requirePath } from '../path.ts'
import type { AwsRanges } from './aws-ranges.ts'
import { ForwardingDriver } from './forwarding-driver.ts'

export interface CloudFrontOptions {
  /** Of the distribution; keys of the bucket are put behind it. */
  readonly baseUrl: string
  /** The folder in the bucket that the driver's paths stand below: a part of the keys, as in Distribution. */
  readonly rootDirectory: string
  readonly keyPairId: string
  /** In PEM. */
  readonly privateKey: string
  /** How long a URL is good for. */
  readonly durationMs: number
  /** Clients that go to the bucket itself, for whom that is nearer and costs nothing; absent for nobody. Closed with the
   *  driver. */
  readonly direct?: AwsRanges | undefined
}

/** A signature takes half a millisecond and is good for whoever has it: those who ask for the same file soon after each
 *  other get the same URL. It has this part of its time left at least. */
const LEAST_LEFT = 0.95
const MAX_REMEMBERED = 10_000

/** Sends clients to CloudFront, which has what it serves from the driver's bucket, by URLs that are good for a while.
 *  https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html */
export class CloudFrontDriver extends ForwardingDriver {
  readonly #options: CloudFrontOptions
  /** What stands before a path. */
  readonly #base: string
  readonly #signed: LRUCache<string, string>

  constructor(driver: StorageDriver, options: CloudFrontOptions) {
    super(driver)
    this.#options = options
    const root = options.rootDirectory.replace(/^\/+|\/+$/g, '')
    this.#base = `${options.baseUrl.replace(/\/+$/, '')}${root === '' ? '' : `/${root}`}`
    const ttl = Math.max(1, Math.round(options.durationMs * (1 - LEAST_LEFT)))
    this.#signed = new LRUCache({ max: MAX_REMEMBERED, ttl })
  }

  override async redirectUrl(path: string, client?: RedirectedClient): Promise<URL | undefined> {
    const { direct } = this.#options
    if (direct !== undefined && client !== undefined && direct.includes(client.address)) {
      return super.redirectUrl(path, client)
    }
    return new URL(this.#signed.get(path) ?? this.#sign(path))
  }

  override async close(): Promise<void> {
    this.#options.direct?.close()
    await super.close()
  }

  #sign(path: string): string {
    const { keyPairId, privateKey, durationMs } = this.#options
    const url = getSignedUrl({
      url: `${this.#base}${requirePath(path)}`,
      keyPairId,
      privateKey,
      dateLessThan: Date.now() + durationMs,
    })
    this.#signed.set(path, url)
    return url
  }
}
