import { DEFAULT_CIPHERS, type SecureContextOptions } from 'node:tls'

const VERSIONS = { 'tls1.0': 'TLSv1', 'tls1.1': 'TLSv1.1', 'tls1.2': 'TLSv1.2', 'tls1.3': 'TLSv1.3' } as const

export interface TlsPolicyOptions {
  readonly minimumtls: keyof typeof VERSIONS
  /** OpenSSL's names; empty for its defaults. */
  readonly ciphersuites: readonly string[]
}

/** Versions and ciphers. As in Go, TLS 1.3 stays enabled if only suites of earlier versions are named. */
export function tlsPolicy({ minimumtls, ciphersuites }: TlsPolicyOptions): SecureContextOptions {
  const named = ciphersuites.filter((suite) => suite !== '')
  const isOfTls13 = (suite: string) => suite.startsWith('TLS_')
  const ciphers = [
    ...(named.length > 0 && !named.some(isOfTls13) ? DEFAULT_CIPHERS.split(':').filter(isOfTls13) : []),
    ...(named.length > 0 ? named : [DEFAULT_CIPHERS]),
    // OpenSSL's default level excludes the handshake signatures of TLS 1.1.
    ...(minimumtls === 'tls1.0' || minimumtls === 'tls1.1' ? ['@SECLEVEL=0'] : []),
  ]
  return { minVersion: VERSIONS[minimumtls], ciphers: ciphers.join(':') }
}
