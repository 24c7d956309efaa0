import { X509Certificate } from 'node:crypto'
import { isCutOffPem } from '../../lib/pem.ts'

/** The certificates of a PEM text, in its order.
 *  @throws Error when one of them is none, or the text is cut off */
export function parseCertificates(pem: string): X509Certificate[] {
  if (isCutOffPem(pem)) throw new Error('it is cut off')
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block))
}

/** A token's `x5c`: base64 of DER, RFC 7515 section 4.1.6; undefined when it is none. */
export function parseChain(chain: unknown): X509Certificate[] | undefined {
  if (!Array.isArray(chain) || chain.length === 0 || chain.length > MAX_CHAIN) return undefined
  try {
    return chain.map((certificate) => new X509Certificate(Buffer.from(String(certificate), 'base64')))
  } catch {
    // Whatever it is: it comes from the client, and is no certificate.
    return undefined
  }
}

const MAX_CHAIN = 10

/** True when a way leads from the first certificate, through the others, to a trusted one, and all on it are valid now. */
export function isTrusted(
  [leaf, ...others]: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  now = Date.now(),
): boolean {
  let current = leaf
  const unused = others.filter(({ ca }) => ca)
  while (current !== undefined && isValid(current, now)) {
    const { fingerprint256 } = current
    if (roots.some((root) => root.fingerprint256 === fingerprint256)) return true
    if (roots.some((root) => root.ca && isValid(root, now) && hasIssued(root, current!))) return true
    const next = unused.findIndex((candidate) => hasIssued(candidate, current!))
    current = next === -1 ? undefined : unused.splice(next, 1)[0]
  }
  return false
}

function isValid({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  return validFromDate.getTime() <= now && now <= validToDate.getTime()
}

function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}
