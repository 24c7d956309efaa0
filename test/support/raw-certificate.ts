/** X.509 certificates made in memory (RFC 5280), with what a test wants to be wrong about them. */
import { createPublicKey, type KeyObject, sign } from 'node:crypto'

export interface CertificateParts {
  readonly subject: string
  /** Whose certificate it is: its public key goes in. */
  readonly key: KeyObject
  readonly issuer: string
  /** An elliptic-curve key. */
  readonly issuerKey: KeyObject
  readonly isAuthority?: boolean
  readonly validFrom?: Date
  readonly validTo?: Date
}

const DAY_MS = 86_400_000
const ECDSA_WITH_SHA256 = '06082a8648ce3d040302'
const COMMON_NAME = '0603550403'
const BASIC_CONSTRAINTS = '0603551d13'

/** @returns the certificate in DER */
export function certificateOf(parts: CertificateParts): Buffer {
  const { validFrom = new Date(Date.now() - DAY_MS), validTo = new Date(Date.now() + DAY_MS) } = parts
  const algorithm = tagged(0x30, Buffer.from(ECDSA_WITH_SHA256, 'hex'))
  const body = tagged(
    0x30,
    tagged(0xa0, Buffer.from('020102', 'hex')),
    tagged(0x02, Buffer.from([1])),
    algorithm,
    nameOf(parts.issuer),
    tagged(0x30, timeOf(validFrom), timeOf(validTo)),
    nameOf(parts.subject),
    createPublicKey(parts.key).export({ type: 'spki', format: 'der' }),
    ...(parts.isAuthority === true ? [tagged(0xa3, tagged(0x30, authority()))] : []),
  )
  const signature = sign('sha256', body, parts.issuerKey)
  return tagged(0x30, body, algorithm, tagged(0x03, Buffer.from([0]), signature))
}

function nameOf(text: string): Buffer {
  const attribute = tagged(0x30, Buffer.from(COMMON_NAME, 'hex'), tagged(0x0c, Buffer.from(text)))
  return tagged(0x30, tagged(0x31, attribute))
}

function timeOf(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-T:]|\.\d+/g, '')
  return tagged(0x18, Buffer.from(digits))
}

function authority(): Buffer {
  const isAuthority = tagged(0x30, Buffer.from('0101ff', 'hex'))
  return tagged(
    0x30,
    Buffer.from(BASIC_CONSTRAINTS, 'hex'),
    Buffer.from('0101ff', 'hex'),
    tagged(0x04, isAuthority),
  )
}

function tagged(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const length =
    content.length < 0x80
      ? Buffer.from([content.length])
      : Buffer.from([0x82, content.length >> 8, content.length & 0xff])
  return Buffer.concat([Buffer.from([tag]), length, content])
}
