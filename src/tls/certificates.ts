import type { SecureContext, SecureContextOptions } from 'node:tls'
import type { Log } from '../core/log.ts'

/** The source of certificates, which keeps them up to date. */
export interface Certificates {
  /** The present certificate. */
  readonly secureContext: SecureContextOptions
  /** The certificate of a server name that has one of its own. */
  readonly contextOf?: (serverName: string) => SecureContext | undefined
  /** The certificate of a running ACME challenge. */
  readonly challengeOf?: (serverName: string) => SecureContext | undefined
  /** Starts watching for new certificates; calls back when `secureContext` has changed. */
  watch(onChange: () => void): void
  /** Checks for new certificates, if it watches. Resolves once changed files are stable; unusable ones are
   *  logged and ignored. */
  reload(): Promise<void>
  /** Stops watching. */
  close(): void
}

export interface CertificatesOptions {
  /** Both or none. */
  readonly certificate: string
  readonly key: string
  readonly clientcas: readonly string[]
  readonly letsencrypt: LetsEncryptOptions
  /** Versions and ciphers. */
  readonly policy: SecureContextOptions
  readonly log: Log
  /** Limit of the delay until a new file is noticed. */
  readonly pollMs?: number
}

export interface LetsEncryptOptions {
  /** The folder of certificates. */
  readonly cachefile: string
  readonly email: string
  readonly hosts: readonly string[]
  readonly directoryurl?: string | undefined
}

export const DEFAULT_POLL_MS = 5_000
