import type { Descriptor } from '../descriptor.ts'
import type { RepositoryName, Tag } from '../reference.ts'
import type { RequestOrigin } from './request-scope.ts'

/** Content that a client has been sent, or has asked for the existence of. */
export interface Pull {
  readonly kind: 'blob' | 'manifest'
  readonly repository: RepositoryName
  readonly descriptor: Descriptor
  /** The tag that a manifest was asked for by. */
  readonly tag: Tag | undefined
  /** True if only its existence was asked for. */
  readonly isHead: boolean
  /** Of a manifest, if the observer reads it. */
  readonly payload: Uint8Array | undefined
}

/** The port to what counts pulls. */
export interface PullObserver {
  /** False to be called without payloads. */
  readonly readsPayload: boolean
  /** Called after the answer has gone; it must neither wait nor throw.
   *  @param origin is only called if the pull is reported */
  pulled(pull: Pull, origin: () => RequestOrigin): void
}
