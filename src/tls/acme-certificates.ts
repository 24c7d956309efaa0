import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { Log } from '../core/log.ts'
import { Polling } from '../lib/polling.ts'
import { CertificateFolder, type KeyedCertificate, newKey, pkcs8Of } from './certificate-folder.ts'
import { type Certificates, type CertificatesOptions, DEFAULT_POLL_MS } from './certificates.ts'
import { readAuthorities } from './files.ts'

interface Served extends KeyedCertificate {
  readonly context: SecureContext
}

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** As in Go's autocert. Certificates with less than three times this lifetime are renewed when a third is
 *  left. */
const RENEWAL_MS = 30 * DAY_MS
/** Time limit of one attempt. */
const CLAIM_MS = 10 * MINUTE_MS
/** Pauses after failures, which authorities limit per hour. */
const FIRST_PAUSE_MS = 5 * MINUTE_MS
const LONGEST_PAUSE_MS = 60 * MINUTE_MS

/** One certificate for each host, obtained and renewed by ACME (RFC 8555) with TLS-ALPN challenges (RFC
 *  8737). Processes that share the folder take turns, and serve the certificates that any of them has
 *  obtained. */
export class AcmeCertificates implements Certificates {
  readonly #options: CertificatesOptions
  readonly #log: Log
  readonly #folder: CertificateFolder
  readonly #polling: Polling
  readonly #served = new Map<string, Served>()
  #ca: Buffer[] = []
  /** Repeated errors are logged once. */
  #lastTrouble: string | undefined
  #onChange = () => {}

  private constructor(options: CertificatesOptions, folder: CertificateFolder) {
    this.#options = options
    this.#log = options.log
    this.#folder = folder
    this.#polling = new Polling(() => this.#round(), options.pollMs ?? DEFAULT_POLL_MS)
  }

  /** Opens the folder of certificates.
   *  @throws Error that names the key whose file or folder can't be used */
  static async open(options: CertificatesOptions): Promise<AcmeCertificates> {
    const folder = await CertificateFolder.open(options.letsencrypt.cachefile)
    const opened = new AcmeCertificates(options, folder)
    opened.#ca = await readAuthorities(options.clientcas)
    for (const host of options.letsencrypt.hosts) await opened.#load(host)
    return opened
  }

  /** For clients that send no server name: the first host's certificate. */
  get secureContext(): SecureContextOptions {
    const [first] = this.#options.letsencrypt.hosts.flatMap((host) => this.#served.get(host) ?? [])
    return this.#contextOptions(first?.pem)
  }

  contextOf = (serverName: string): SecureContext | undefined =>
    this.#served.get(serverName.toLowerCase())?.context

  challengeOf = (serverName: string): SecureContext | undefined => {
    const host = this.#options.letsencrypt.hosts.find((one) => one === serverName.toLowerCase())
    const pem = host && this.#folder.challenge(host)
    return pem === undefined || pem === '' ? undefined : createSecureContext({ cert: pem, key: pem })
  }

  watch(onChange: () => void): void {
    this.#onChange = onChange
    void this.reload()
  }

  reload(): Promise<void> {
    return this.#polling.now()
  }

  close(): void {
    this.#polling.stop()
  }

  async #round(): Promise<void> {
    try {
      for (const host of this.#options.letsencrypt.hosts) {
        if (await this.#load(host)) this.#onChange()
        if (this.#isDue(host)) await this.#takeTurn(host)
      }
      this.#lastTrouble = undefined
    } catch (error) {
      const { message } = error as Error
      if (message !== this.#lastTrouble)
        this.#log.error({ err: error }, 'the folder of certificates is unusable')
      this.#lastTrouble = message
    }
  }

  /** True if the certificate has changed. */
  async #load(host: string): Promise<boolean> {
    const found = await this.#folder.certificate(host)
    if (found === undefined || found.pem === this.#served.get(host)?.pem) return false
    this.#served.set(host, { ...found, context: createSecureContext(this.#contextOptions(found.pem)) })
    return true
  }

  #isDue(host: string): boolean {
    const certificate = this.#served.get(host)?.certificate
    if (certificate === undefined) return true
    const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
    return Date.now() > to - Math.min(RENEWAL_MS, (to - from) / 3)
  }

  async #takeTurn(host: string): Promise<void> {
    const turn = await this.#folder.takeTurn(host, CLAIM_MS)
    if (turn === undefined) return
    try {
      await this.#folder.putCertificate(host, await this.#obtain(host))
      await this.#folder.succeeded(host)
    } catch (error) {
      const failures = turn.failures + 1
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** turn.failures, LONGEST_PAUSE_MS)
      await this.#folder.failed(host, { until: Date.now() + pauseMs, failures })
      const reason = (error as Error).message
      this.#log.error({ host, reason, retryInMinutes: pauseMs / MINUTE_MS }, 'no certificate was issued')
      return
    }
    await this.#load(host)
    this.#log.info({ host, validTo: this.#served.get(host)?.certificate.validTo }, 'a certificate was issued')
    this.#onChange()
  }

  /** A new key and its certificates. */
  async #obtain(host: string): Promise<string> {
    const { default: acme } = await import('acme-client')
    const { email, directoryurl } = this.#options.letsencrypt
    const client = new acme.Client({
      directoryUrl: directoryurl ?? acme.directory.letsencrypt.production,
      accountKey: pkcs8Of(await this.#folder.accountKey()),
    })
    const key = newKey()
    const [, csr] = await acme.crypto.createCsr({ altNames: [host] }, pkcs8Of(key))
    const chain = await client.auto({
      csr,
      email,
      termsOfServiceAgreed: true,
      challengePriority: ['tls-alpn-01'],
      // The library's check would connect to port 443 from here.
      skipChallengeVerification: true,
      challengeCreateFn: async (authorization, { type }, keyAuthorization) => {
        if ((type as string) !== 'tls-alpn-01') throw new Error('the authority does not offer tls-alpn-01')
        const challengeKey = newKey()
        const [, certificate] = await acme.crypto.createAlpnCertificate(
          authorization,
          keyAuthorization,
          pkcs8Of(challengeKey),
        )
        await this.#folder.putChallenge(host, challengeKey + certificate)
      },
      challengeRemoveFn: () => this.#folder.deleteChallenge(host),
    })
    return key + chain
  }

  #contextOptions(pem: string | undefined): SecureContextOptions {
    return { ...this.#options.policy, ...(pem !== undefined && { cert: pem, key: pem }), ca: this.#ca }
  }
}
