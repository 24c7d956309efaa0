import { getSignedUrl } from '@aws-sdk/cloudfront-signer'
import { LRUCache } from 'lru-cache'
import { atMost } from '../../lib/at-most.ts'
import { requirePath } from '../path.ts'
import type { AwsRanges } from './aws-ranges.ts'
import type { UrlMiddleware } from './redirecting-driver.ts'

export interface CloudFrontOptions {
  /** The distribution's URL; the bucket's keys are appended to it. */
  readonly baseUrl: string
  /** The root directory in the bucket: part of the keys, as in Distribution. */
  readonly rootDirectory: string
  readonly keyPairId: string
  /** In PEM. */
  readonly privateKey: string
  /** Lifetime of a URL. */
  readonly durationMs: number
  /** Clients within AWS, which are redirected to the bucket itself, because that is nearer and free;
   *  undefined for none. */
  readonly direct?: AwsRanges | undefined
}

/** A signature takes half a millisecond. Requests for the same file share a URL as long as it has this part
 *  of its lifetime left. */
const LEAST_LEFT = 0.95
const MAX_REMEMBERED = 10_000

/** Redirects clients to CloudFront, whose origin is the driver's bucket, by signed URLs.
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
  /** The prefix of a path. */
  readonly #base: string
  readonly #signed: LRUCache<string, string>

  constructor(options: CloudFrontOptions) {
    this.#options = options
    const root = options.rootDirectory.replace(/^\/+|\/+$/g, '')
    this.#base = `${options.baseUrl.replace(/\/+$/, '')}${root === '' ? '' : `/${root}`}`
    const ttl = Math.max(1, Math.round(options.durationMs * (1 - LEAST_LEFT)))
    this.#signed = new LRUCache({ ...atMost(MAX_REMEMBERED), ttl })
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
