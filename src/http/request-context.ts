import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Action, Credentials, Identity } from '../core/access/access-controller.ts'
import type { PersonalKeys } from '../core/access/personal-keys.ts'
import type { Sessions } from '../core/access/sessions.ts'
import type { TokenIssuer } from '../core/access/token-issuer.ts'
import type { CatalogIndex } from '../core/catalog/catalog-index.ts'
import type { Descriptor } from '../core/descriptor.ts'
import { RegistryError } from '../core/errors.ts'
import type { Health } from '../core/health.ts'
import type { RepositoryHistory } from '../core/lifecycle/history.ts'
import type { RecordedPulls } from '../core/lifecycle/pulls.ts'
import type { Usage } from '../core/lifecycle/usage.ts'
import type { MirrorFigures } from '../core/mirror-figures.ts'
import type { Operations } from '../core/operations/operations.ts'
import type { Page } from '../core/page/page.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { Registry, Repository } from '../core/registry.ts'
import type { SharedMemory } from '../lib/shared-memory/shared-memory.ts'
import type { StallDetector } from './connection/stall-detector.ts'
import { locationOf } from './reply/location.ts'
import { requestBody } from './request/body.ts'
import { clientAddress } from './request/client-address.ts'
import { RequestCredentials } from './request/credentials.ts'
import type { Route } from './request/route.ts'
import type { HttpSettings } from './settings.ts'

/** The state that all requests of a server share. */
export interface ServerContext {
  readonly registry: Registry
  readonly settings: HttpSettings
  readonly stallDetector: StallDetector
  /** Where the bodies of uploads arrive; undefined for anywhere. */
  readonly memory: SharedMemory | undefined
  /** Undefined if the registry issues no tokens. */
  readonly issuer: TokenIssuer | undefined
  readonly health: Health
  /** Empty without mirrors. */
  readonly mirrors: readonly MirrorFigures[]
  /** Undefined if the web page is disabled. */
  readonly page: Page | undefined
  /** Undefined if nothing is counted. */
  readonly usage: Usage | undefined
  /** Undefined if none are recorded. */
  readonly pulls: RecordedPulls | undefined
  /** Undefined if no history is kept. */
  readonly history: RepositoryHistory | undefined
  /** Undefined if people can't log in. */
  readonly sessions: Sessions | undefined
  /** Undefined if it is not known how the registry is. */
  readonly operations: Operations | undefined
  /** Undefined if people can't make keys. */
  readonly keys: PersonalKeys | undefined
  readonly version: string
  /** Undefined if the catalog is not indexed. */
  readonly index: CatalogIndex | undefined
}

/** One request, as its handler sees it. */
export class RequestContext {
  readonly request: IncomingMessage
  readonly reference: string
  /** The authenticated identity. */
  readonly identity: Identity
  /** The authenticated identity, if the operation authenticates by itself. */
  actor: Pick<Identity, 'name' | 'kind' | 'key'> | undefined
  /** The id of the personal key that is made or revoked. */
  changedKey: string | undefined
  /** The content that is pulled, once it is found; the payload is that of a manifest. */
  served: { readonly descriptor: Descriptor; readonly payload?: Uint8Array } | undefined
  /** The unverified name of a login in the body. */
  claimedUser: string | undefined
  readonly #response: ServerResponse
  readonly #route: Route
  readonly #parts: ServerContext
  #query: URLSearchParams | undefined

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    { route, parts, identity }: { route: Route; parts: ServerContext; identity: Identity },
  ) {
    this.request = request
    this.reference = route.reference
    this.identity = identity
    this.#response = response
    this.#route = route
    this.#parts = parts
  }

  get registry(): Registry {
    return this.#parts.registry
  }

  get health(): Health {
    return this.#parts.health
  }

  get mirrors(): readonly MirrorFigures[] {
    return this.#parts.mirrors
  }

  get page(): Page | undefined {
    return this.#parts.page
  }

  /** The history of repositories.
   *  @throws RegistryError PATH_UNKNOWN if none is kept */
  get history(): RepositoryHistory {
    const { history } = this.#parts
    if (history !== undefined) return history
    throw new RegistryError('PATH_UNKNOWN', {
      message: 'no history is kept here: policies.history.enabled is false',
    })
  }

  get sessions(): Sessions | undefined {
    return this.#parts.sessions
  }

  /** How the registry is.
   *  @throws RegistryError PATH_UNKNOWN if it is not known */
  get operations(): Operations {
    const { operations } = this.#parts
    if (operations !== undefined) return operations
    throw new RegistryError('PATH_UNKNOWN')
  }

  get keys(): PersonalKeys | undefined {
    return this.#parts.keys
  }

  /** Of the registry. */
  get version(): string {
    return this.#parts.version
  }

  get index(): CatalogIndex | undefined {
    return this.#parts.index
  }

  /** The recorded pulls.
   *  @throws RegistryError PATH_UNKNOWN if none are recorded */
  get pulls(): RecordedPulls {
    const { pulls } = this.#parts
    if (pulls !== undefined) return pulls
    throw new RegistryError('PATH_UNKNOWN', {
      message: 'no pulls are recorded here: policies.pulls.enabled is false',
    })
  }

  /** What repositories take up.
   *  @throws RegistryError PATH_UNKNOWN if nothing is counted */
  get usage(): Usage {
    const { usage } = this.#parts
    if (usage !== undefined) return usage
    throw new RegistryError('PATH_UNKNOWN', {
      message: 'usage is not counted here: policies.usage.enabled is false',
    })
  }

  get settings(): HttpSettings {
    return this.#parts.settings
  }

  /** The repository in the path. */
  get repository(): Repository {
    const { repository } = this.#route
    if (repository === undefined) throw new Error(`the resource ${this.#route.resource} has no repository`)
    return this.#parts.registry.repository(repository)
  }

  /** Undefined if the registry issues no tokens. */
  get issuer(): TokenIssuer | undefined {
    return this.#parts.issuer
  }

  /** True if the client may do the action on a repository; by default on that of the path. */
  may(action: Action, repository: RepositoryName | undefined = this.#route.repository): boolean {
    return repository !== undefined && this.identity.may(action, repository)
  }

  get isHead(): boolean {
    return this.request.method === 'HEAD'
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(queryOf(this.request.url ?? ''))
    return this.#query
  }

  /** The client's address, from trusted proxies only. */
  get address(): string {
    return clientAddress(this.request, this.settings.trustedProxies)
  }

  get credentials(): Credentials {
    return new RequestCredentials(this.request, this.settings.trustedProxies)
  }

  /** The request's body as it arrives. Its chunks belong to the reader. */
  body(): AsyncIterable<Uint8Array> {
    const { stallDetector } = this.#parts
    return requestBody(this.request, this.#response, { stallDetector })
  }

  /** The body if it is content, in the memory for that. Who holds a chunk for long holds much more than that. */
  content(): AsyncIterable<Uint8Array> {
    return requestBody(this.request, this.#response, this.#parts)
  }

  /** The `Location` of a path below the prefix. */
  location(path: string): string {
    return locationOf(path, this.request, this.settings)
  }
}

function queryOf(url: string): string {
  const mark = url.indexOf('?')
  return mark === -1 ? '' : url.slice(mark + 1)
}
