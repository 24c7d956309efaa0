import { X509Certificate } from 'node:crypto'
import { isAffordableKey } from '../../core/access/key-limits.ts'
import { isCutOffPem } from '../../lib/pem.ts'

/** The certificates of a PEM text, in its order.
 *  @throws Error if one is malformed, or the text is cut off */
export function parseCertificates(pem: string): X509Certificate[] {
  if (isCutOffPem(pem)) throw new Error('it is cut off')
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block))
}

/** Parses a token's `x5c`: base64 of DER, RFC 7515 section 4.1.6. Undefined if malformed. */
export function parseChain(chain: unknown): X509Certificate[] | undefined {
  if (!Array.isArray(chain) || chain.length === 0 || chain.length > MAX_CHAIN) return undefined
  try {
    return chain.map((certificate) => new X509Certificate(Buffer.from(String(certificate), 'base64')))
  } catch {
    // The client's value is no certificate.
    return undefined
  }
}

const MAX_CHAIN = 10

/** Limit of failed verifications of a chain: roots may share a name. */
const MAX_WRONG_SIGNATURES = 4

/** True if the first certificate leads, through the others, to a trusted one, and all of them are valid now.
 *  Searched from the roots: a certificate is verified only by the key of a trusted one, never by a key that a
 *  client has chosen. */
export function isTrusted(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  now = Date.now(),
): boolean {
  const [leaf] = chain
  const authorities = roots.filter((root) => root.ca && isValid(root, now))
  const pinned = new Set(roots.map(({ fingerprint256 }) => fingerprint256))
  let left = chain.filter(
    (certificate, index) => isValid(certificate, now) && (index === 0 || certificate.ca),
  )
  let wrong = 0
  const isVouchedFor = (certificate: X509Certificate) => {
    if (pinned.has(certificate.fingerprint256)) return true
    for (const authority of authorities) {
      if (wrong === MAX_WRONG_SIGNATURES) return false
      if (!certificate.checkIssued(authority)) continue
      if (certificate.verify(authority.publicKey)) return true
      wrong++
    }
    return false
  }
  for (;;) {
    const next = left.find(isVouchedFor)
    if (next === undefined) return false
    if (next === leaf) return isAffordableKey(next.publicKey)
    left = left.filter((certificate) => certificate !== next)
    authorities.push(next)
  }
}

function isValid({ validFromDate, validToDate }: X509Certificate, now: number): boolean {
  return validFromDate.getTime() <= now && now <= validToDate.getTime()
}
