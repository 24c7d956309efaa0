/** Registries over HTTP and over HTTPS, both of which speak HTTP/2 as well. */
import type { TlsSettings } from '../../src/http/connection/tls-settings.ts'
import { tlsPolicy } from '../../src/tls/policy.ts'
import { Authority, type KeyPair } from './authority.ts'
import { HttpRegistry, type HttpRegistryOptions } from './http-registry.ts'

export type Scheme = 'http' | 'https'

export class BothSchemes {
  /** The certificate that clients trust. */
  readonly ca: string
  readonly #own: KeyPair

  private constructor(ca: string, own: KeyPair) {
    this.ca = ca
    this.#own = own
  }

  static async create(): Promise<BothSchemes> {
    const authority = await Authority.create('the authority')
    return new BothSchemes(authority.cert, await authority.issue('registry'))
  }

  start(scheme: Scheme, options: HttpRegistryOptions = {}): Promise<HttpRegistry> {
    const tls: TlsSettings = {
      secureContext: { ...tlsPolicy({ minimumtls: 'tls1.2', ciphersuites: [] }), ...this.#own },
      clientCertificates: { isRequested: false, isRequired: false, isVerified: false },
      http2: true,
    }
    return HttpRegistry.start({
      ...options,
      settings: { ...options.settings, h2c: scheme === 'http' },
      tls: scheme === 'https' ? tls : undefined,
    })
  }
}
