/** Certificates of all kinds, made when a test needs them. */
import { KeyObject, X509Certificate as NodeCertificate, type webcrypto } from 'node:crypto'
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 24 * 60 * 60 * 1000

export interface CertificateOptions {
  readonly name?: string
  /** The issuer; self-signed if absent. */
  readonly issuer?: Certificate
  /** True for one that may sign others. */
  readonly ca?: boolean
  readonly notBefore?: Date
  readonly notAfter?: Date
  readonly alternativeNames?: x509.JsonGeneralNames
}

export interface Certificate {
  readonly pem: string
  /** DER in base64, as `x5c` has it. */
  readonly base64: string
  readonly certificate: NodeCertificate
  readonly privateKey: KeyObject
  readonly keys: webcrypto.CryptoKeyPair
  readonly name: string
}

let serial = 1

export async function makeCertificate(options: CertificateOptions = {}): Promise<Certificate> {
  const { name = 'CN=test', issuer, ca = false, alternativeNames } = options
  const keys = (await crypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: String(serial++).padStart(2, '0'),
    subject: name,
    issuer: issuer?.name ?? name,
    notBefore: options.notBefore ?? new Date(Date.now() - DAY_MS),
    notAfter: options.notAfter ?? new Date(Date.now() + DAY_MS),
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(ca, undefined, true),
      ...(alternativeNames ? [new x509.SubjectAlternativeNameExtension(alternativeNames)] : []),
    ],
  })
  const pem = made.toString('pem')
  return {
    pem,
    base64: Buffer.from(made.rawData).toString('base64'),
    certificate: new NodeCertificate(pem),
    privateKey: KeyObject.from(keys.privateKey),
    keys,
    name,
  }
}
