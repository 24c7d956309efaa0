import { getSignedUrl } from '@aws-sdk/cloudfront-signer'
import { LRUCache } from 'lru-cache'
import { requirePath } from '../path.ts'
import type { AwsRanges } from './aws-ranges.ts'
import type { UrlMiddleware } from './redirecting-driver.ts'

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
  /** Clients that go to the bucket itself, for whom that is nearer and costs nothing; absent for nobody. */
  readonly direct?: AwsRanges | undefined
}

/** A signature takes half a millisecond and is good for whoever has it: those who ask for the same file soon after each
 *  other get the same URL. It has this part of its time left at least. */
const LEAST_LEFT = 0.95
const MAX_REMEMBERED = 10_000

/** Sends clients to CloudFront, which has what it serves from the driver's bucket, by URLs that are good for a while.
 *  https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html */
export function cloudFront(options: CloudFrontOptions): UrlMiddleware {
  const { direct } = options
  const signed = new SignedUrls(options)
  return (next) => async (path, client) => {
    const isDirect = direct !== undefined && client !== undefined && direct.includes(client.address)
    return isDirect ? next(path, client) : signed.urlOf(path)
  }
}

class SignedUrls {
  readonly #options: CloudFrontOptions
  /** What stands before a path. */
  readonly #base: string
  readonly #signed: LRUCache<string, string>

  constructor(options: CloudFrontOptions) {
    this.#options = options
    const root = options.rootDirectory.replace(/^\/+|\/+$/g, '')
    this.#base = `${options.baseUrl.replace(/\/+$/, '')}${root === '' ? '' : `/${root}`}`
    const ttl = Math.max(1, Math.round(options.durationMs * (1 - LEAST_LEFT)))
    this.#signed = new LRUCache({ max: MAX_REMEMBERED, ttl })
  }

  urlOf(path: string): URL {
    return new URL(this.#signed.get(path) ?? this.#sign(path))
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
