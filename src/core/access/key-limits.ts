import type { KeyObject } from 'node:crypto'

const MAX_RSA_BITS = 4096
/** Nearly all keys have 65537. Verification time grows with the exponent. */
const MAX_RSA_EXPONENT = 2n ** 32n
const CURVES: readonly (string | undefined)[] = ['prime256v1', 'secp384r1', 'secp521r1']

/** True for a public key that verifies a signature in less than a millisecond. Keys come from clients; others
 *  are rejected. */
export function isAffordableKey({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): boolean {
  const { modulusLength = Infinity, publicExponent = MAX_RSA_EXPONENT, namedCurve } = asymmetricKeyDetails
  switch (asymmetricKeyType) {
    case 'rsa':
      return modulusLength <= MAX_RSA_BITS && publicExponent < MAX_RSA_EXPONENT
    case 'ec':
      return CURVES.includes(namedCurve)
    default:
      return asymmetricKeyType === 'ed25519'
  }
}
