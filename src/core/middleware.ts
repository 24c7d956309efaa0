/** What Distribution's `middleware.registry` and `middleware.repository` load: a module whose default export is one of these
 *  functions. docs/middleware.md shows one. */
import type { RegistryError } from './errors.ts'
import type * as forwarding from './forwarding-registry.ts'
import type { Log } from './log.ts'
import type { Registry, Repository } from './registry.ts'

/** Asked once, when the registry starts. */
export type RegistryMiddleware = (
  registry: Registry,
  context: MiddlewareContext,
) => Registry | Promise<Registry>

/** Asked when a repository is first used, and again once it has been forgotten: it must be cheap. */
export type RepositoryMiddleware = (repository: Repository, context: MiddlewareContext) => Repository

/** What such a module is given, so that it need not know where Entrepot is installed. */
export interface MiddlewareContext extends Forwarding {
  /** `options` of its entry, as they stand in the configuration. */
  readonly options: Readonly<Record<string, unknown>>
  readonly log: Log
  /** Its code decides how a request is answered; any other error is a 500. */
  readonly RegistryError: typeof RegistryError
}

/** Bases that forward every call: a module extends them and overrides what it changes. */
type Forwarding = Pick<
  typeof forwarding,
  'ForwardingBlobs' | 'ForwardingManifests' | 'ForwardingRegistry' | 'ForwardingRepository' | 'ForwardingTags'
>
