/** A registry in this process, on a free port, over memory unless a test brings a driver: what the suites of the HTTP
 *  API talk to. Requests go out as they are written here; nothing normalises their paths or follows a redirect. */
import { Agent, request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { type AddressInfo, BlockList } from 'node:net'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type AccessControl, type AuthSettings, openAccessControl } from '../../src/auth/access-control.ts'
import type { LoginThrottleOptions } from '../../src/auth/login-throttle.ts'
import { MemoryDescriptorCache } from '../../src/cache/memory.ts'
import type { AuditLog } from '../../src/core/access/audit-log.ts'
import type { People, Sessions } from '../../src/core/access/sessions.ts'
import type { CatalogIndex } from '../../src/core/catalog/catalog-index.ts'
import { type DescriptorCache, NO_CACHE } from '../../src/core/descriptor-cache.ts'
import type { Health } from '../../src/core/health.ts'
import type { RepositoryHistory } from '../../src/core/lifecycle/history.ts'
import type { RecordedPulls } from '../../src/core/lifecycle/pulls.ts'
import type { Usage } from '../../src/core/lifecycle/usage.ts'
import type { Log } from '../../src/core/log.ts'
import { DEFAULT_POLICY, type ManifestPolicy } from '../../src/core/manifest/policy.ts'
import type { PullObserver } from '../../src/core/notifications/pull-observer.ts'
import type { RequestScope } from '../../src/core/notifications/request-scope.ts'
import type { Operations } from '../../src/core/operations/operations.ts'
import type { Page } from '../../src/core/page/page.ts'
import type { Registry } from '../../src/core/registry.ts'
import type { RequestObserver } from '../../src/core/request-observer.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import type { TlsSettings } from '../../src/http/connection/tls-settings.ts'
import { Redirects } from '../../src/http/reply/redirects.ts'
import { HttpServer } from '../../src/http/server.ts'
import { defaultLimits, type HttpLimits, type HttpSettings } from '../../src/http/settings.ts'
import type { Ingest } from '../../src/lib/ingest/ingest.ts'
import { type RegistryOptions, StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { RawConnection } from './raw-connection.ts'
import { RegistryClient } from './registry-client.ts'

export interface HttpRegistryOptions {
  readonly settings?: Partial<HttpSettings>
  readonly limits?: Partial<HttpLimits>
  readonly policy?: ManifestPolicy
  readonly driver?: StorageDriver
  /** In memory, as by default, or none. */
  readonly cache?: DescriptorCache
  readonly log?: Log
  readonly tls?: TlsSettings | undefined
  /** `auth` of the configuration; its files are the test's. Default: none. */
  readonly auth?: AuthSettings
  readonly loginThrottle?: LoginThrottleOptions
  readonly audit?: AuditLog
  readonly observer?: RequestObserver
  /** Default: nothing is checked. */
  readonly health?: Health
  /** The web page. Default: none. */
  readonly page?: Page | undefined
  /** Sessions of the people of `auth`. Default: none. */
  readonly sessions?: (people: People) => Sessions
  /** For search. Default: none. */
  readonly index?: CatalogIndex
  /** Decorates the stored registry. */
  readonly decorate?: (stored: StoredRegistry) => Registry
  /** The history of its repositories. Default: none is kept. */
  readonly history?: (stored: StoredRegistry, decorated: Registry) => Promise<RepositoryHistory>
  readonly scope?: RequestScope
  /** Knows how the registry is. Default: nothing does. */
  readonly operations?: (stored: StoredRegistry) => Operations
  /** Counts what repositories take up. Default: nothing is counted. */
  readonly usage?: () => Usage
  /** Records pulls. Default: none are recorded. */
  readonly pulls?: (stored: StoredRegistry) => { observer: PullObserver; recorded: RecordedPulls }
  /** For large uploads, and closed with the server. Default: none. */
  readonly ingest?: Ingest
  /** Its part in garbage collection. Default: none. */
  readonly collection?: RegistryOptions['collection']
  /** Whether it looks for blobs in quarantine. Default: no. */
  readonly coexist?: boolean
  /** Timing of deletions and pushes. */
  readonly deletions?: RegistryOptions['deletions']
}

export interface RequestParts {
  readonly headers?: OutgoingHttpHeaders
  /** Bytes and text are sent with a `Content-Length`, a stream without. */
  readonly body?: Uint8Array | string | Readable
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} }

export class HttpRegistry implements AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly driver: StorageDriver
  readonly registry: StoredRegistry
  /** For what a test only needs to be there. */
  readonly client: RegistryClient
  /** Undefined without access control. */
  readonly access: AccessControl | undefined
  readonly server: HttpServer
  readonly #agent = new Agent({ keepAlive: true })
  readonly #ingest: Ingest | undefined
  #closing: Promise<void> | undefined

  private constructor(parts: {
    port: number
    scheme: 'http' | 'https'
    driver: StorageDriver
    registry: StoredRegistry
    server: HttpServer
    access: AccessControl | undefined
    ingest: Ingest | undefined
  }) {
    this.port = parts.port
    this.url = `${parts.scheme}://127.0.0.1:${parts.port}`
    this.driver = parts.driver
    this.registry = parts.registry
    this.client = new RegistryClient(this.url)
    this.server = parts.server
    this.access = parts.access
    this.#ingest = parts.ingest
  }

  static async start(options: HttpRegistryOptions = {}): Promise<HttpRegistry> {
    const { driver = new MemoryDriver(), policy = DEFAULT_POLICY, log = quiet, tls } = options
    const cache = options.cache ?? new MemoryDescriptorCache({ maxEntries: 10_000 })
    const smallContentBytes = cache === NO_CACHE ? 0 : 64 * 1024 ** 2
    const { collection = false, coexist = false, deletions, ingest } = options
    const registry = new StoredRegistry({
      ...{ driver, policy, cache, smallContentBytes, collection, coexist, deletions, ingest, log },
    })
    const { auth, loginThrottle, audit } = options
    const keyStorage = {
      storage: registry.storage,
      secret: 'the secret',
      isReadOnly: options.settings?.readOnly ?? false,
    }
    const access =
      auth && (await openAccessControl(auth, { log, keyStorage, ...(loginThrottle && { loginThrottle }) }))
    const pulls = options.pulls?.(registry)
    const decorated = options.decorate?.(registry) ?? registry
    const server = new HttpServer({
      ...{ registry: decorated, log, audit, tls, scope: options.scope },
      memory: registry.uploadMemory,
      history: await options.history?.(registry, decorated),
      pulls: pulls?.observer,
      recordedPulls: pulls?.recorded,
      usage: options.usage?.(),
      settings: settingsOf(options),
      ...(access && { access: access.controller, issuer: access.issuer }),
      observer: options.observer,
      page: options.page,
      index: options.index,
      keys: access?.keys,
      operations: options.operations?.(registry),
      sessions: access?.people && options.sessions?.(access.people),
      ...(options.health && { health: options.health }),
    })
    const address = await server.listen({ host: '127.0.0.1', port: 0 })
    const scheme = tls === undefined ? 'http' : 'https'
    const { port } = address as AddressInfo
    return new HttpRegistry({ port, scheme, driver, registry, server, access, ingest })
  }

  /** @param request like `GET /v2/`, the path as it goes over the wire */
  send(request: string, { headers, body }: RequestParts = {}): Promise<Answer> {
    const [method = '', path = ''] = request.split(' ')
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        { host: '127.0.0.1', port: this.port, agent: this.#agent, method, path, headers },
        (incoming) => {
          buffer(incoming).then(
            (bytes) => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: bytes }),
            reject,
          )
        },
      )
      outgoing.on('error', reject)
      if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body)
      else body.pipe(outgoing)
    })
  }

  connect(): Promise<RawConnection> {
    return RawConnection.open(this.port)
  }

  /** Stops the server; the driver is left open for a next one. */
  stop(drainMs = 0): Promise<void> {
    this.#agent.destroy()
    this.#closing ??= this.server.close(drainMs).finally(() => this.access?.close())
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.#ingest?.close()
    await this.driver.close()
  }
}

function settingsOf({ settings, limits }: HttpRegistryOptions): HttpSettings {
  return {
    prefix: '',
    publicUrl: undefined,
    relativeUrls: true,
    trustedProxies: new BlockList(),
    extraHeaders: {},
    deleteEnabled: true,
    readOnly: false,
    redirects: new Redirects(),
    tarSums: false,
    maxCatalogEntries: 1000,
    maxTags: 1000,
    accessLog: true,
    h2c: false,
    requestsPerSecond: 0,
    ...settings,
    limits: { ...defaultLimits, ...limits },
  }
}

export interface WireError {
  readonly code: string
  readonly message: string
  readonly detail?: unknown
}

/** The errors of an answer, which must be JSON. */
export function errorsOf({ headers, body }: Answer): readonly WireError[] {
  if (headers['content-type'] !== 'application/json') throw new Error(`an error that is no JSON: ${body}`)
  return (JSON.parse(body.toString()) as { errors: WireError[] }).errors
}

/** Status and codes of a refusal, in the form of `400 DIGEST_INVALID`. */
export function refusal(answer: Answer): string {
  return [answer.status, ...errorsOf(answer).map(({ code }) => code)].join(' ')
}
