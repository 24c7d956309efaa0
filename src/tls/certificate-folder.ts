import { createPrivateKey, generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A key and its certificate chain, in PEM. */
export interface KeyedCertificate {
  readonly pem: string
  readonly certificate: X509Certificate
}

/** The current attempt to obtain a certificate, or the time of the next one. */
interface Attempt {
  readonly until: number
  readonly failures: number
}

/** The folder of certificates, in the layout that Distribution's ACME client gives it:
 *
 *     acme_account+key      the key of the account
 *     <host>                a key and its certificates
 *     <host>+token          the certificate of a running challenge, with its key
 *     <host>+attempt        Entrepot's own: the current attempt, or the time of the next
 *
 *  All processes that serve a host share it. */
export class CertificateFolder {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** Opens the folder.
   *  @throws Error that names the key if it can't be created */
  static async open(path: string): Promise<CertificateFolder> {
    try {
      await mkdir(path, { recursive: true, mode: 0o700 })
      const folder = new CertificateFolder(path)
      const probe = await folder.#temporary('')
      await rm(probe)
      return folder
    } catch (cause) {
      const reason = (cause as Error).message
      throw new Error(`http.tls.letsencrypt.cachefile cannot be used as a folder: ${reason}`, { cause })
    }
  }

  /** The account's key, created if there is none. */
  async accountKey(): Promise<string> {
    const path = join(this.#path, 'acme_account+key')
    const present = await readIfThere(path)
    if (present !== undefined) return present
    const made = await this.#temporary(newKey())
    try {
      await link(made, path)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    } finally {
      await rm(made)
    }
    return readFile(path, 'utf8')
  }

  /** The certificate of a host. Undefined if there is none, or it is malformed. */
  async certificate(host: string): Promise<KeyedCertificate | undefined> {
    return parsed(await readIfThere(join(this.#path, host)))
  }

  async putCertificate(host: string, pem: string): Promise<void> {
    await rename(await this.#temporary(pem), join(this.#path, host))
  }

  /** Synchronous, because a handshake can't wait. */
  challenge(host: string): string | undefined {
    try {
      return readFileSync(join(this.#path, `${host}+token`), 'utf8')
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      return undefined
    }
  }

  async putChallenge(host: string, pem: string): Promise<void> {
    await rename(await this.#temporary(pem), join(this.#path, `${host}+token`))
  }

  async deleteChallenge(host: string): Promise<void> {
    await rm(join(this.#path, `${host}+token`), { force: true })
  }

  /** Reserves the attempt to obtain a certificate for `claimMs`. Undefined if another process has it, or the
   *  pause is not over. The reservation of a process that ends expires. Two simultaneous reservations cost
   *  one certificate too many and nothing else. */
  async takeTurn(host: string, claimMs: number): Promise<{ failures: number } | undefined> {
    const path = join(this.#path, `${host}+attempt`)
    const last = attemptIn(await readIfThere(path))
    if (last !== undefined && Date.now() < last.until) return undefined
    const failures = last?.failures ?? 0
    const claim = await this.#temporary(JSON.stringify({ until: Date.now() + claimMs, failures }))
    try {
      if (last !== undefined) await this.#moveAway(path)
      await link(claim, path)
      return { failures }
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' && codeOf(error) !== 'ENOENT') throw error
      return undefined
    } finally {
      await rm(claim)
    }
  }

  /** Records the time of the next attempt. */
  async failed(host: string, attempt: Attempt): Promise<void> {
    await rename(await this.#temporary(JSON.stringify(attempt)), join(this.#path, `${host}+attempt`))
  }

  async succeeded(host: string): Promise<void> {
    await rm(join(this.#path, `${host}+attempt`), { force: true })
  }

  /** Moves a file away. Of several processes one succeeds. */
  async #moveAway(path: string): Promise<void> {
    const away = await this.#temporary('')
    await rename(path, away).finally(() => rm(away, { force: true }))
  }

  async #temporary(content: string): Promise<string> {
    const path = join(this.#path, `.${randomUUID()}.tmp`)
    await writeFile(path, content, { mode: 0o600 })
    return path
  }
}

/** A new key in autocert's format. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return String(privateKey.export({ type: 'sec1', format: 'pem' }))
}

/** The key in PKCS #8, for libraries. */
export function pkcs8Of(key: string): string {
  return String(createPrivateKey(key).export({ type: 'pkcs8', format: 'pem' }))
}

/** Parses a file. Undefined if it is malformed, for example cut off by a crash. */
function parsed(pem: string | undefined): KeyedCertificate | undefined {
  if (pem === undefined) return undefined
  try {
    const certificate = new X509Certificate(pem)
    return certificate.checkPrivateKey(createPrivateKey(pem)) ? { pem, certificate } : undefined
  } catch (error) {
    if (!String(codeOf(error)).startsWith('ERR_OSSL_')) throw error
    return undefined
  }
}

function attemptIn(json: string | undefined): Attempt | undefined {
  if (json === undefined) return undefined
  try {
    return JSON.parse(json) as Attempt
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return { until: 0, failures: 0 }
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return undefined
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
