/** Authorities and the certificates they give out, made in memory for one test. */
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  type Extension,
  type GeneralNames,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

type KeyPairInMemory = webcrypto.CryptoKeyPair

export interface KeyPair {
  /** PEM. */
  readonly cert: string
  readonly key: string
}

export interface CertificateOptions {
  /** Names and addresses it is for; by default this machine's. */
  readonly hosts?: readonly string[]
  readonly validFrom?: Date
  readonly validTo?: Date
}

const DAY_MS = 86_400_000
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

export class Authority {
  readonly #keys: KeyPairInMemory
  readonly #certificate: X509Certificate

  private constructor(keys: KeyPairInMemory, certificate: X509Certificate) {
    this.#keys = keys
    this.#certificate = certificate
  }

  static async create(name: string): Promise<Authority> {
    const keys = await newKeys()
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: algorithm,
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
      ...lifetime({}),
    })
    return new Authority(keys, certificate)
  }

  /** PEM. */
  get cert(): string {
    return this.#certificate.toString('pem')
  }

  async issue(subject: string, options: CertificateOptions = {}): Promise<KeyPair> {
    const keys = await newKeys()
    const { hosts = ['localhost', '127.0.0.1'] } = options
    const certificate = await X509CertificateGenerator.create({
      subject: `CN=${subject}`,
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [alternativeNames(hosts)],
      ...lifetime(options),
    })
    const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
    return {
      cert: certificate.toString('pem'),
      key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`,
    }
  }
}

function newKeys(): Promise<KeyPairInMemory> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

function lifetime({ validFrom, validTo }: CertificateOptions) {
  return {
    notBefore: validFrom ?? new Date(Date.now() - DAY_MS),
    notAfter: validTo ?? new Date(Date.now() + DAY_MS),
  }
}

function alternativeNames(hosts: readonly string[]): Extension {
  return new SubjectAlternativeNameExtension(
    hosts.map((value) => ({ type: /^[\d.]+$/.test(value) ? 'ip' : 'dns', value })) as never as GeneralNames,
  )
}
