import { Retries } from '../../client/copy/retries.ts'
import { type Credentials, fixedCredentials } from '../../client/credentials.ts'
import { openAdaptiveConnections } from '../../client/http/adaptive-connections.ts'
import type { OpenConnections, Timing } from '../../client/http/connections.ts'
import { type ImageReference, isLoopback, registryUrl } from '../../client/image-reference.ts'
import { LoginStore } from '../../client/login/login-store.ts'
import { PushClient } from '../../client/push/push-client.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import { version } from '../../lib/version.ts'
import { parseCount, parseCredentials, readCa } from './options.ts'

export interface ConnectionValues {
  readonly insecure?: boolean | undefined
  readonly 'plain-http'?: boolean | undefined
  readonly ca?: string | undefined
  readonly creds?: string | undefined
  readonly 'token-server'?: readonly string[] | undefined
  readonly 'retry-times'?: string | undefined
}

/** The last request of an upload is answered when all its bytes are stored. */
const TIMING: Timing = { connectMs: 10_000, headMs: 300_000, bodyMs: 60_000 }
/** A person has named the registry, so it may redirect to wherever this machine can reach. */
const ANY_NETWORK = ['0.0.0.0/0', '::/0']

export interface OpenOptions {
  /** Instead of the stored login. */
  readonly credentials?: Credentials | undefined
}

/** Clients of registries, with the logins of this user: one for each repository's login. */
export class Registries {
  readonly retries: Retries
  readonly #values: ConnectionValues
  readonly #logins = new LoginStore(process.env)
  readonly #clients = new Map<string, Promise<PushClient>>()
  readonly #urls = new Map<string, Promise<string>>()

  /** @throws UsageError */
  constructor(values: ConnectionValues) {
    this.#values = values
    this.retries = new Retries(parseCount(values['retry-times'], 'retry-times', 3))
    parseCredentials(values.creds)
  }

  /** The client for an image, or for a whole registry. */
  async client(
    { host, repository }: Pick<ImageReference, 'host'> & { readonly repository?: string },
    { credentials = parseCredentials(this.#values.creds) }: OpenOptions = {},
  ): Promise<PushClient> {
    const login = credentials ?? (await this.#logins.find(host, repository))
    const key = JSON.stringify([host, login])
    const known = this.#clients.get(key)
    if (known !== undefined) return known
    const opened = this.#open(host, login)
    this.#clients.set(key, opened)
    return opened
  }

  async close(): Promise<void> {
    for (const client of await Promise.allSettled(this.#clients.values()))
      if (client.status === 'fulfilled') await client.value.close()
  }

  /** The URL of a registry's API. */
  url(host: string): Promise<string> {
    const known = this.#urls.get(host)
    if (known !== undefined) return known
    const found = this.#findUrl(host)
    this.#urls.set(host, found)
    return found
  }

  async #open(host: string, credentials: Credentials | undefined): Promise<PushClient> {
    const { 'token-server': realmHosts = [] } = this.#values
    return new PushClient({
      ...(await this.#options(await this.url(host))),
      ...{ credentials: fixedCredentials(credentials), realmHosts, anonymousRealms: true },
    })
  }

  async #options(url: string) {
    const { insecure = false, ca } = this.#values
    const userAgent = `entrepot/${await version()}`
    const openConnections = await connectionsFor(process.env)
    return {
      ...{ url, userAgent, insecure, ca: await readCa(ca), redirectNetworks: ANY_NETWORK, timing: TIMING },
      openConnections,
    }
  }

  /** Without TLS only if it was asked for, or the registry is this machine's. */
  async #findUrl(host: string): Promise<string> {
    const { insecure = false, 'plain-http': plainHttp = false } = this.#values
    if (plainHttp) return registryUrl(host, 'http')
    const secure = registryUrl(host, 'https')
    const plain = registryUrl(host, 'http')
    if (insecure) return (await this.#speaksTls(secure)) ? secure : plain
    // Most registries of this machine have no TLS, and asking them so is cheaper.
    return isLoopback(host) && (await this.#isRegistry(plain)) ? plain : secure
  }

  /** True if it answers as a registry does, or asks for a login. */
  async #isRegistry(url: string): Promise<boolean> {
    const client = new PushClient(await this.#options(url))
    try {
      return !(await client.ping()).isRedirected
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      return error.code === 'REFUSED' && error.status === 401
    } finally {
      await client.close()
    }
  }

  async #speaksTls(url: string): Promise<boolean> {
    const client = new PushClient(await this.#options(url))
    try {
      await client.ping()
      return true
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      // Whatever it answers, or a certificate that is not trusted, is said by TLS.
      return error.status !== undefined || error.code === 'REFUSED' || isOfCertificate(error.cause)
    } finally {
      await client.close()
    }
  }
}

const PROXY_VARIABLES = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY']

/** Those of undici from the first request on if there is a proxy, because Node's own know none. */
async function connectionsFor(env: Readonly<Record<string, string | undefined>>): Promise<OpenConnections> {
  if (!PROXY_VARIABLES.some((name) => env[name])) return openAdaptiveConnections
  return (await import('../../client/http/undici-connections.ts')).openUndiciConnections
}

const CERTIFICATE_ERROR = /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME|ISSUER/

function isOfCertificate(cause: unknown): boolean {
  return CERTIFICATE_ERROR.test((cause as NodeJS.ErrnoException | undefined)?.code ?? '')
}
