import { createVerify, type KeyObject } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type AnsweringServer, startAnswering } from './answering-server.ts'

/** Verifies a URL like CloudFront with a canned policy: creates the policy from the URL and checks its
 *  signature.
 *  https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html */
export function isSigned(url: URL, publicKey: KeyObject): boolean {
  const resource = url.href.slice(0, url.href.indexOf('?'))
  const expires = url.searchParams.get('Expires')
  const policy = `{"Statement":[{"Resource":"${resource}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`
  const replaced: Record<string, string> = { '-': '+', _: '=', '~': '/' }
  const signature = (url.searchParams.get('Signature') ?? '').replace(/[-_~]/g, (found) => replaced[found]!)
  return createVerify('RSA-SHA1').update(policy).verify(publicKey, signature, 'base64')
}

export interface EdgeOptions {
  readonly publicKey: KeyObject
  /** The bucket's URL, to which a URL's path is appended. */
  readonly origin: string
}

/** A distribution of CloudFront in small: whoever has a signed URL that is still good gets what the bucket has there. */
export async function startEdge({ publicKey, origin }: EdgeOptions): Promise<AnsweringServer> {
  const edge = await startAnswering(async ({ url = '' }, response) => {
    const asked = new URL(url, edge.url)
    const isGood = Number(asked.searchParams.get('Expires')) * 1000 > Date.now() && isSigned(asked, publicKey)
    if (!isGood) return void response.writeHead(403).end()
    const { status, body } = await fetch(origin + asked.pathname)
    response.writeHead(status)
    await pipeline(body ? Readable.fromWeb(body) : Readable.from([]), response).catch(() => {})
  })
  return edge
}
