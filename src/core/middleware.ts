/** Modules that `middleware.registry` and `middleware.repository` load, as in Distribution. A module's
 *  default export is one of these functions. docs/middleware.md shows one. */
import type { RegistryError } from './errors.ts'
import type * as forwarding from './forwarding-registry.ts'
import type { Log } from './log.ts'
import type { Registry, Repository } from './registry.ts'

/** Called once, when the registry starts. */
export type RegistryMiddleware = (
  registry: Registry,
  context: MiddlewareContext,
) => Registry | Promise<Registry>

/** Called when a repository is first used, and again after it was dropped from memory. Must be cheap. */
export type RepositoryMiddleware = (repository: Repository, context: MiddlewareContext) => Repository

/** Passed to each module, so that it need not import Entrepot. */
export interface MiddlewareContext extends Forwarding {
  /** `options` of its entry, as configured. */
  readonly options: Readonly<Record<string, unknown>>
  readonly log: Log
  /** Its code sets the response's status; any other error is a 500. */
  readonly RegistryError: typeof RegistryError
}

/** Base classes that forward every call. A module extends one and overrides single methods. */
type Forwarding = Pick<
  typeof forwarding,
  | 'ForwardingBlobs'
  | 'ForwardingManifests'
  | 'ForwardingRegistry'
  | 'ForwardingRepository'
  | 'ForwardingTags'
  | 'ForwardingUpload'
>
