import type { X509Certificate } from 'node:crypto'
import type { ProtectedHeaderParameters } from 'jose'
import type {
  AccessController,
  ChallengeOptions,
  Credentials,
  Identity,
} from '../../core/access/access-controller.ts'
import { splitAuthorization } from '../../core/access/authorization-header.ts'
import { TOKEN_PATH } from '../../core/access/token-issuer.ts'
import type { Log } from '../../core/log.ts'
import { WatchedFile } from '../../lib/files/watched-file.ts'
import { bearerChallenge } from '../challenge.ts'
import { type Authentication, CredentialCache } from '../credential-cache.ts'
import { ALL_PERMISSIONS, ListedPermissions, NO_PERMISSIONS } from '../permissions.ts'
import { Principal } from '../principal.ts'
import { isTrusted, parseCertificates, parseChain } from './certificate-chain.ts'
import { algorithmsOf, idsOf, parseKeySet, type TrustedKey } from './public-keys.ts'
import { accessOf, CLOCK_SKEW_SECONDS, type KeyChoice, verifyToken } from './verify.ts'

export interface TokenAccessSettings {
  readonly realm: string
  readonly service: string
  readonly issuer: string
  /** The path of a PEM file; empty for none. */
  readonly rootcertbundle: string
  /** The path of a JSON Web Key Set; empty for none. */
  readonly jwks: string
  /** Empty for all supported ones. */
  readonly signingalgorithms: readonly string[]
  readonly autoredirect: boolean
  readonly autoredirectpath: string
}

/** Access control by tokens of an external issuer, verified as in Distribution. They list the permissions. */
export class TokenAccess implements AccessController {
  readonly #settings: TokenAccessSettings
  readonly #credentials = new CredentialCache()
  readonly #certificates: WatchedFile<TrustedCertificates> | undefined
  readonly #keySet: WatchedFile<Map<string, TrustedKey>> | undefined
  readonly #anonymous = new Principal({
    kind: 'anonymous',
    name: '',
    proof: 'none',
    permissions: NO_PERMISSIONS,
  })
  #byId = new Map<string, TrustedKey>()

  private constructor(settings: TokenAccessSettings, files: TokenFiles) {
    this.#settings = settings
    this.#certificates = files.certificates
    this.#keySet = files.keySet
    this.#trust()
  }

  /** Opens the files of keys.
   *  @throws Error if one can't be read, or none has a key */
  static async open(settings: TokenAccessSettings, log: Log): Promise<TokenAccess> {
    let opened: TokenAccess | undefined
    const onChange = () => opened?.trustAnew()
    const files = await openFiles(settings, { log, onChange })
    opened = new TokenAccess(settings, files)
    if (opened.#byId.size > 0) return opened
    opened.close()
    throw new Error('auth.token: neither rootcertbundle nor jwks has a key that tokens could be signed with')
  }

  identifyIfCached({ authorization }: Credentials): Identity | undefined {
    const token = bearerToken(authorization)
    return token === undefined ? this.#anonymous : this.#credentials.get(token)
  }

  async identify({ authorization }: Credentials): Promise<Identity> {
    const token = bearerToken(authorization)
    return token === undefined ? this.#anonymous : this.#credentials.identify(token, () => this.#prove(token))
  }

  challenge(options: ChallengeOptions): string {
    const { realm, service, autoredirect, autoredirectpath } = this.#settings
    return bearerChallenge({
      ...options,
      // https by default, as in Distribution, which assumes that a proxy terminates TLS.
      realm: autoredirect ? `${options.origin('https') ?? ''}${autoredirectpath || TOKEN_PATH}` : realm,
      service,
    })
  }

  /** Reloads the keys from the files. */
  trustAnew(): void {
    this.#trust()
    this.#credentials.forgetAll()
  }

  close(): void {
    this.#certificates?.close()
    this.#keySet?.close()
  }

  #trust(): void {
    this.#byId = new Map([...(this.#certificates?.content.byId ?? []), ...(this.#keySet?.content ?? [])])
  }

  get #roots(): readonly X509Certificate[] {
    return this.#certificates?.content.roots ?? []
  }

  async #prove(token: string): Promise<Authentication> {
    const { issuer, service, signingalgorithms } = this.#settings
    const claims = await verifyToken(token, {
      issuer,
      audience: service,
      choose: (header) => this.#choose(header),
      algorithms: signingalgorithms.length > 0 ? [...signingalgorithms] : undefined,
    })
    const permissions = new ListedPermissions(accessOf(claims), { pushNeedsPull: true })
    const name = claims.sub ?? ''
    return {
      identity: new Principal({ kind: 'user', name, proof: 'token', permissions, seen: ALL_PERMISSIONS }),
      expiresAt: (claims.exp + CLOCK_SKEW_SECONDS) * 1000,
    }
  }

  /** Chooses the key of a token. A key in the token itself needs a certificate chain to a trusted one; others
   *  are found by name. */
  #choose({ x5c, jwk, kid }: ProtectedHeaderParameters): KeyChoice | undefined {
    if (x5c !== undefined) return this.#byChain(x5c)
    if (jwk?.x5c !== undefined) return this.#byChain(jwk.x5c)
    const trusted = this.#byId.get(jwk === undefined ? (kid ?? '') : (jwk.kid ?? ''))
    return trusted && { key: trusted.key, algorithms: algorithmsOf(trusted) }
  }

  #byChain(x5c: unknown): KeyChoice | undefined {
    const chain = parseChain(x5c)
    const [leaf] = chain ?? []
    if (chain === undefined || leaf === undefined || !isTrusted(chain, this.#roots)) return undefined
    return { key: leaf.publicKey, algorithms: algorithmsOf({ key: leaf.publicKey, algorithm: undefined }) }
  }
}

interface TrustedCertificates {
  readonly roots: readonly X509Certificate[]
  readonly byId: readonly (readonly [string, TrustedKey])[]
}

/** Parses the certificates of a bundle that replaces `previous`.
 *  @throws Error if it is malformed, or has become empty */
function parseBundle(pem: string, previous: TrustedCertificates | undefined): TrustedCertificates {
  const roots = parseCertificates(pem)
  if (roots.length === 0 && (previous?.roots.length ?? 0) > 0) throw new Error('it has no certificate')
  const byId = roots.flatMap(({ publicKey: key }) =>
    idsOf(key).map((id) => [id, { key, algorithm: undefined }] as const),
  )
  return { roots, byId }
}

interface TokenFiles {
  readonly certificates: WatchedFile<TrustedCertificates> | undefined
  readonly keySet: WatchedFile<Map<string, TrustedKey>> | undefined
}

async function openFiles(
  { rootcertbundle, jwks }: TokenAccessSettings,
  watching: { log: Log; onChange: () => void },
): Promise<TokenFiles> {
  const certificates = rootcertbundle
    ? await WatchedFile.open({
        ...watching,
        path: rootcertbundle,
        key: 'auth.token.rootcertbundle',
        parse: parseBundle,
        describe: ({ roots }) => ({ certificates: roots.length }),
      })
    : undefined
  try {
    const keySet = jwks
      ? await WatchedFile.open({
          ...watching,
          path: jwks,
          key: 'auth.token.jwks',
          parse: parseKeySet,
          describe: ({ size }) => ({ keys: size }),
        })
      : undefined
    return { certificates, keySet }
  } catch (error) {
    certificates?.close()
    throw error
  }
}

function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined
  const { scheme, credentials } = splitAuthorization(authorization)
  return scheme === 'bearer' && credentials !== '' ? credentials : undefined
}
