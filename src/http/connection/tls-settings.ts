import type { SecureContext, SecureContextOptions } from 'node:tls'

/** The TLS settings of the server. */
export interface TlsSettings {
  /** The initial certificates, authorities, versions and ciphers; `HttpServer.setSecureContext` replaces
   *  them. */
  readonly secureContext: SecureContextOptions
  readonly clientCertificates: ClientCertificates
  /** True if HTTP/2 is offered. HTTP/1.1 always is. */
  readonly http2: boolean
  /** Replaces `secureContext` for a server name, if there are several certificates. */
  readonly contextOf?: (serverName: string) => SecureContext | undefined
  /** The certificate of an ACME challenge. RFC 8737. */
  readonly challengeOf?: (serverName: string) => SecureContext | undefined
}

/** Requests for client certificates. Sockets of unverified clients are not `authorized`. */
export interface ClientCertificates {
  readonly isRequested: boolean
  readonly isRequired: boolean
  readonly isVerified: boolean
}
