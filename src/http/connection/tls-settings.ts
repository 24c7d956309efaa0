import type { SecureContext, SecureContextOptions } from 'node:tls'

/** How connections are encrypted. */
export interface TlsSettings {
  /** Certificates, authorities, versions and ciphers to begin with; `HttpServer.setSecureContext` replaces them. */
  readonly secureContext: SecureContextOptions
  readonly clientCertificates: ClientCertificates
  /** HTTP/2 for the clients that speak it; HTTP/1.1 for the others, always. */
  readonly http2: boolean
  /** What is used in place of `secureContext` for a name, where the certificates are of several. */
  readonly contextOf?: (serverName: string) => SecureContext | undefined
  /** What proves to a certificate authority that a name is ours. RFC 8737. */
  readonly challengeOf?: (serverName: string) => SecureContext | undefined
}

/** What is asked of clients. One that is not verified still says on its socket whether it is `authorized`. */
export interface ClientCertificates {
  readonly isRequested: boolean
  readonly isRequired: boolean
  readonly isVerified: boolean
}
