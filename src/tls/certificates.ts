import type { SecureContext, SecureContextOptions } from 'node:tls'
import type { Log } from '../core/log.ts'

/** Where certificates come from, and who makes sure that they are the ones of today. */
export interface Certificates {
  /** What connections are encrypted with now. */
  readonly secureContext: SecureContextOptions
  /** What is used in its place for a name that has a certificate of its own. */
  readonly contextOf?: (serverName: string) => SecureContext | undefined
  /** What proves to an authority that a name is ours, while it asks. */
  readonly challengeOf?: (serverName: string) => SecureContext | undefined
  /** Looks for others from now on, and says when `secureContext` has changed. */
  watch(onChange: () => void): void
  /** Looks now, if it watches. Fulfilled when what has changed stands still; what cannot be used is logged and changes
   *  nothing. */
  reload(): Promise<void>
  /** Looks no more. */
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
  /** How long it takes at most until a new file is seen. */
  readonly pollMs?: number
}

export interface LetsEncryptOptions {
  /** The folder that certificates are kept in. */
  readonly cachefile: string
  readonly email: string
  readonly hosts: readonly string[]
  readonly directoryurl?: string | undefined
}

export const DEFAULT_POLL_MS = 5_000
