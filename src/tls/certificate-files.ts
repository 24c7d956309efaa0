import type { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Log } from '../core/log.ts'
import { type FileContent, FileWatch, readFiles } from '../lib/files/file-watch.ts'
import { type Certificates, type CertificatesOptions, DEFAULT_POLL_MS } from './certificates.ts'
import { parseCertificate, parseKey, unreadable } from './files.ts'

interface Files {
  readonly cert: Buffer
  readonly key: Buffer
  readonly ca: readonly Buffer[]
}

/** Time for which files must be stable, unless they are checked more often. */
const STILL_MS = 1000

/** The certificate and key in files, and the authorities of clients. All are replaced together, once they
 *  have changed and are stable. */
export class CertificateFiles implements Certificates {
  readonly #options: CertificatesOptions
  readonly #log: Log
  readonly #known: readonly FileContent[]
  #files: Files
  #watch: FileWatch | undefined

  private constructor(options: CertificatesOptions, { known, files }: ReadFiles) {
    this.#options = options
    this.#log = options.log
    this.#known = known
    this.#files = files
  }

  /** Reads the files.
   *  @throws Error that names the key whose file can't be used */
  static async open(options: CertificatesOptions): Promise<CertificateFiles> {
    const known = await readFiles(pathsOf(options))
    const files = filesOf(known, options)
    const certificate = check(files, options)
    const opened = new CertificateFiles(options, { known, files })
    opened.#warnOfDates(certificate)
    return opened
  }

  get secureContext(): SecureContextOptions {
    return contextOptions(this.#files, this.#options.policy)
  }

  watch(onChange: () => void): void {
    const { pollMs = DEFAULT_POLL_MS, log } = this.#options
    this.#watch = new FileWatch({
      paths: pathsOf(this.#options),
      known: this.#known,
      onChange: (contents) => this.#renew(contents, onChange),
      log,
      pollMs,
      stillMs: Math.min(pollMs, STILL_MS),
    })
  }

  async reload(): Promise<void> {
    await this.#watch?.refresh()
  }

  close(): void {
    this.#watch?.close()
  }

  #renew(contents: readonly FileContent[], onChange: () => void): void {
    let certificate: X509Certificate
    try {
      const files = filesOf(contents, this.#options)
      certificate = check(files, this.#options)
      this.#files = files
    } catch (error) {
      const reason = (error as Error).message
      this.#log.error({ reason }, 'the new certificate is unusable; the old one stays in use')
      return
    }
    onChange()
    const { subject, validTo } = certificate
    this.#log.info({ key: 'http.tls.certificate', subject, validTo }, 'the certificate was reloaded')
    this.#warnOfDates(certificate)
  }

  #warnOfDates({ validFrom, validTo, validFromDate, validToDate }: X509Certificate): void {
    const now = new Date()
    if (validFromDate <= now && now <= validToDate) return
    this.#log.warn(
      { key: 'http.tls.certificate', validFrom, validTo },
      'the certificate is not valid today: clients will reject it',
    )
  }
}

interface ReadFiles {
  readonly known: readonly FileContent[]
  readonly files: Files
}

function pathsOf({ certificate, key, clientcas }: CertificatesOptions): string[] {
  return [certificate, key, ...clientcas]
}

/** Maps contents to files.
 *  @param contents in the order of `pathsOf`
 *  @throws Error that names the key whose file can't be read */
function filesOf(contents: readonly FileContent[], { clientcas }: CertificatesOptions): Files {
  const keys = ['certificate', 'key', ...clientcas.map(() => 'clientcas')]
  const [cert, key, ...ca] = keys.map((name, index) => {
    const content = contents[index]!
    if (content instanceof Error) throw unreadable(name, content)
    return content
  })
  return { cert: cert!, key: key!, ca }
}

/** Validates the files.
 *  @throws Error that names the key whose file is invalid */
function check(files: Files, { clientcas, policy }: CertificatesOptions): X509Certificate {
  for (const [index, path] of clientcas.entries()) parseCertificate(files.ca[index]!, `clientcas: ${path}`)
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

/** `ca` is always set: otherwise any client with a public certificate would be authorized. */
function contextOptions({ cert, key, ca }: Files, policy: SecureContextOptions): SecureContextOptions {
  return { ...policy, cert, key, ca: [...ca] }
}
