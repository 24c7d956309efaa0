import { parseDocument } from '../document.ts'
import { MAX_CERTIFICATES_IN_ALL } from '../limits.ts'
import type { Manifest } from '../manifest.ts'
import { publicKeyOf, unverifiedAt } from './keys.ts'
import { parseSignature } from './signature.ts'

/** The algorithms of Docker's clients. RFC 7518 section 3.1; RSA keys have 2048 bits or more (section
 *  3.3). */
const ALGORITHMS = ['ES256', 'ES384', 'RS256']

const REFUSALS = [TypeError, DOMException] as const

/** Verifies every signature of a manifest with the key in its header. Proves that the payload is the signed
 *  one, not who signed it: that is for clients to decide.
 *  @throws RegistryError MANIFEST_UNVERIFIED */
export async function verifySignatures({ payload, signatures }: Manifest): Promise<void> {
  if (signatures.length === 0) return
  const { errors, flattenedVerify } = await import('jose')
  let certificates = 0
  const encoded = Buffer.from(payload).toString('base64url')
  for (const [index, bytes] of signatures.entries()) {
    const place = `signatures[${index}]`
    const { header, ...signature } = parseSignature(parseDocument(bytes), place)
    const { alg } = header
    if (!ALGORITHMS.includes(alg)) {
      throw unverifiedAt(`${place}.header.alg`, `is none of ${ALGORITHMS.join(', ')}`)
    }
    certificates += header.x5c?.length ?? 0
    if (certificates > MAX_CERTIFICATES_IN_ALL) {
      throw unverifiedAt(place, `has more than ${MAX_CERTIFICATES_IN_ALL} certificates with those before it`)
    }
    const key = publicKeyOf(header, `${place}.header`)
    try {
      await flattenedVerify({ payload: encoded, ...signature, header: { alg } }, key, {
        algorithms: ALGORITHMS,
      })
    } catch (cause) {
      // A key of another algorithm is a TypeError in jose, a DOMException in Web Crypto.
      const isRefusal = REFUSALS.some((type) => cause instanceof type)
      if (!(isRefusal || cause instanceof errors.JOSEError)) throw cause
      throw unverifiedAt(place, `cannot be verified: ${(cause as Error).message}`, cause)
    }
  }
}
