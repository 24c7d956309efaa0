import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Action, Credentials, Identity } from '../core/access/access-controller.ts'
import type { TokenIssuer } from '../core/access/token-issuer.ts'
import type { Health } from '../core/health.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { Registry, Repository } from '../core/registry.ts'
import type { StallDetector } from './connection/stall-detector.ts'
import { locationOf } from './reply/location.ts'
import { requestBody } from './request/body.ts'
import { clientAddress } from './request/client-address.ts'
import { RequestCredentials } from './request/credentials.ts'
import type { Route } from './request/route.ts'
import type { HttpSettings } from './settings.ts'

/** Shared by all requests of a server. */
export interface ServerContext {
  readonly registry: Registry
  readonly settings: HttpSettings
  readonly stallDetector: StallDetector
  /** Absent where the registry gives out no tokens. */
  readonly issuer: TokenIssuer | undefined
  readonly health: Health
}

/** One request as its handler sees it. */
export class RequestContext {
  readonly request: IncomingMessage
  readonly reference: string
  /** The authenticated sender. */
  readonly identity: Identity
  /** The sender, if the operation authenticates by itself. */
  actor: Pick<Identity, 'name' | 'kind'> | undefined
  /** The name in a login that stands in the body: it proves nothing. */
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

  get settings(): HttpSettings {
    return this.#parts.settings
  }

  /** The repository that the path names. */
  get repository(): Repository {
    const { repository } = this.#route
    if (repository === undefined) throw new Error(`the resource ${this.#route.resource} has no repository`)
    return this.#parts.registry.repository(repository)
  }

  /** Absent where the registry gives out no tokens. */
  get issuer(): TokenIssuer | undefined {
    return this.#parts.issuer
  }

  /** Whether the sender may do something to the repository that the path names, or to another. */
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

  /** Where it comes from, as far as that can be trusted. */
  get address(): string {
    return clientAddress(this.request, this.settings.trustedProxies)
  }

  get credentials(): Credentials {
    return new RequestCredentials(this.request, this.settings.trustedProxies)
  }

  /** The request's body as it comes in. Chunks belong to whoever takes them. */
  body(): AsyncIterable<Uint8Array> {
    return requestBody(this.request, this.#response, this.#parts.stallDetector)
  }

  /** A `Location` for a path below the prefix. */
  location(path: string): string {
    return locationOf(path, this.request, this.settings)
  }
}

function queryOf(url: string): string {
  const mark = url.indexOf('?')
  return mark === -1 ? '' : url.slice(mark + 1)
}
