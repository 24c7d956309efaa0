import { createPrivateKey, generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A key and its certificate with those that lead to the authority's, in PEM. */
export interface KeyedCertificate {
  readonly pem: string
  readonly certificate: X509Certificate
}

/** Who may try to get a certificate, and when the next one may. */
interface Attempt {
  readonly until: number
  readonly failures: number
}

/** The folder of certificates, in the layout that Distribution's ACME client gives it:
 *
 *     acme_account+key      the key of the account
 *     <host>                a key and its certificates
 *     <host>+token          the same, for an authority that looks whether the host is ours
 *     <host>+attempt        ours: who tries at present, or when it may be tried again
 *
 *  All processes that serve a host share it. */
export class CertificateFolder {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** @throws Error that names the key when there can be no such folder */
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

  /** The account's key, made when there is none yet. */
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

  /** What is there for a host; undefined too where it cannot be read as a certificate. */
  async certificate(host: string): Promise<KeyedCertificate | undefined> {
    return parsed(await readIfThere(join(this.#path, host)))
  }

  async putCertificate(host: string, pem: string): Promise<void> {
    await rename(await this.#temporary(pem), join(this.#path, host))
  }

  /** At once, because a handshake does not wait. */
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

  /** Takes the turn to get a certificate for `claimMs`; undefined when it is somebody else's, or not yet the time. A
   *  process that ends in its turn gives it up by that time. Two that come in the same moment may both have it, which
   *  costs a certificate too many and nothing else. */
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

  /** Says when it may be tried again. */
  async failed(host: string, attempt: Attempt): Promise<void> {
    await rename(await this.#temporary(JSON.stringify(attempt)), join(this.#path, `${host}+attempt`))
  }

  async succeeded(host: string): Promise<void> {
    await rm(join(this.#path, `${host}+attempt`), { force: true })
  }

  /** Of several who do it at once, one succeeds. */
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

/** A new key as autocert writes one. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return String(privateKey.export({ type: 'sec1', format: 'pem' }))
}

/** The same key as libraries take it. */
export function pkcs8Of(key: string): string {
  return String(createPrivateKey(key).export({ type: 'pkcs8', format: 'pem' }))
}

/** What a file says that a process ended in the middle of, or that somebody else made, is nothing. */
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
