/** The reason why a request to an upstream failed. */
export type UpstreamErrorCode =
  /** The upstream does not have the content. */
  | 'NOT_FOUND'
  /** The upstream rejects the credentials, or denies access. */
  | 'REFUSED'
  /** 429: the rate limit is exceeded. */
  | 'THROTTLED'
  /** No answer in time. */
  | 'TIMEOUT'
  /** The connection failed or was lost. */
  | 'UNREACHABLE'
  /** Any 5xx, or another failure of the upstream. */
  | 'FAILED'
  /** A malformed answer, content of another digest, or a forbidden redirect. */
  | 'INVALID'

export interface UpstreamErrorOptions {
  readonly message: string
  readonly cause?: unknown
  /** Delay that the upstream has requested, if it did. */
  readonly retryAfterMs?: number | undefined
  readonly status?: number | undefined
}

/** The only error type of upstream registries. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly code: UpstreamErrorCode
  readonly retryAfterMs: number | undefined
  readonly status: number | undefined

  constructor(code: UpstreamErrorCode, { message, cause, retryAfterMs, status }: UpstreamErrorOptions) {
    super(message, { cause })
    this.code = code
    this.retryAfterMs = retryAfterMs
    this.status = status
  }
}

/** True if another attempt may succeed. */
export function isTemporary({ code }: UpstreamError): boolean {
  return code === 'THROTTLED' || code === 'TIMEOUT' || code === 'UNREACHABLE' || code === 'FAILED'
}
