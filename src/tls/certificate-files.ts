import type { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Log } from '../core/log.ts'
import { Polling } from '../lib/polling.ts'
import { type Certificates, type CertificatesOptions, DEFAULT_POLL_MS } from './certificates.ts'
import { parseCertificate, parseKey, readAuthorities, readKeyed } from './files.ts'

interface Files {
  readonly cert: Buffer
  readonly key: Buffer
  readonly ca: readonly Buffer[]
}

/** The certificate that stands in a file. By what is in the files it is seen that they were replaced: their folder may be
 *  a symbolic link which is turned to another one, and not every file system says what happens in it. */
export class CertificateFiles implements Certificates {
  readonly #options: CertificatesOptions
  readonly #log: Log
  readonly #polling: Polling
  #files: Files
  /** What was looked at last, whether it could be used or not: of the same problem one line is enough. */
  #lastSeen: Files | string
  #onChange = () => {}

  private constructor(options: CertificatesOptions, files: Files) {
    this.#options = options
    this.#log = options.log
    this.#files = files
    this.#lastSeen = files
    this.#polling = new Polling(() => this.#look(), options.pollMs ?? DEFAULT_POLL_MS)
  }

  /** @throws Error that names the key whose file cannot be used */
  static async open(options: CertificatesOptions): Promise<CertificateFiles> {
    const files = await read(options)
    const certificate = check(files, options.policy)
    const opened = new CertificateFiles(options, files)
    opened.#warnOfDates(certificate)
    return opened
  }

  get secureContext(): SecureContextOptions {
    return contextOptions(this.#files, this.#options.policy)
  }

  watch(onChange: () => void): void {
    this.#onChange = onChange
    this.#polling.start()
  }

  reload(): Promise<void> {
    return this.#polling.now()
  }

  close(): void {
    this.#polling.stop()
  }

  async #look(): Promise<void> {
    let seen: Files | string
    try {
      seen = await read(this.#options)
    } catch (error) {
      seen = (error as Error).message
    }
    if (isSame(seen, this.#lastSeen)) return
    this.#lastSeen = seen
    if (typeof seen === 'string') return this.#keepOld(seen)
    if (isSame(seen, this.#files)) return
    try {
      this.#use(seen, check(seen, this.#options.policy))
    } catch (error) {
      this.#keepOld((error as Error).message)
    }
  }

  #use(files: Files, certificate: X509Certificate): void {
    this.#files = files
    this.#onChange()
    const { subject, validTo } = certificate
    this.#log.info({ key: 'http.tls.certificate', subject, validTo }, 'the certificate was read again')
    this.#warnOfDates(certificate)
  }

  #keepOld(reason: string): void {
    this.#log.error({ reason }, 'the new certificate cannot be used; the one before it stays')
  }

  #warnOfDates({ validFrom, validTo, validFromDate, validToDate }: X509Certificate): void {
    const now = new Date()
    if (validFromDate <= now && now <= validToDate) return
    this.#log.warn(
      { key: 'http.tls.certificate', validFrom, validTo },
      'the certificate is not valid today: clients will refuse it',
    )
  }
}

async function read({ certificate, key, clientcas }: CertificatesOptions): Promise<Files> {
  const [cert, privateKey, ca] = await Promise.all([
    readKeyed(certificate, 'certificate'),
    readKeyed(key, 'key'),
    readAuthorities(clientcas),
  ])
  return { cert, key: privateKey, ca }
}

/** @throws Error that names the key whose file is not what it should be */
function check(files: Files, policy: SecureContextOptions): X509Certificate {
  const certificate = parseCertificate(files.cert, 'certificate')
  if (!certificate.checkPrivateKey(parseKey(files.key, 'key'))) {
    throw new Error('http.tls.key is not the key of http.tls.certificate')
  }
  try {
    createSecureContext(contextOptions(files, policy))
  } catch (cause) {
    throw new Error(`http.tls.certificate cannot be used: ${(cause as Error).message}`, { cause })
  }
  return certificate
}

/** Without `ca` whoever has a certificate for the web would count as authorized. */
function contextOptions({ cert, key, ca }: Files, policy: SecureContextOptions): SecureContextOptions {
  return { ...policy, cert, key, ca: [...ca] }
}

function isSame(one: Files | string, other: Files | string): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other
  const [left, right] = [one, other].map(({ cert, key, ca }) => [cert, key, ...ca]) as [Buffer[], Buffer[]]
  return left.length === right.length && left.every((file, index) => file.equals(right[index] as Buffer))
}
