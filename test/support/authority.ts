import type { JsonGeneralNames } from '@peculiar/x509'
import { type Certificate, makeCertificate } from './certificates.ts'

export interface KeyPair {
  /** PEM. */
  readonly cert: string
  readonly key: string
}

export interface IssueOptions {
  /** Names and addresses it is for; by default this machine's. */
  readonly hosts?: readonly string[]
  readonly validTo?: Date
}

/** One that gives out certificates, made for one test. */
export class Authority {
  readonly #own: Certificate

  private constructor(own: Certificate) {
    this.#own = own
  }

  static async create(name: string): Promise<Authority> {
    return new Authority(await makeCertificate({ name: `CN=${name}`, ca: true }))
  }

  /** PEM. */
  get cert(): string {
    return this.#own.pem
  }

  async issue(subject: string, { hosts = ['localhost', '127.0.0.1'], validTo }: IssueOptions = {}) {
    const { pem, privateKey } = await makeCertificate({
      name: `CN=${subject}`,
      issuer: this.#own,
      alternativeNames: hosts.map((value) => ({
        type: /^[\d.]+$/.test(value) ? 'ip' : 'dns',
        value,
      })) as JsonGeneralNames,
      ...(validTo && { notAfter: validTo }),
    })
    const key = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    return { cert: pem, key } satisfies KeyPair
  }
}
