/** Why an upstream did not give what was asked for. */
export type UpstreamErrorCode =
  /** It has no such content, and says so. */
  | 'NOT_FOUND'
  /** It refuses our credentials, or does not let them have this. */
  | 'REFUSED'
  /** 429: it was asked too often. */
  | 'THROTTLED'
  /** No answer in time. */
  | 'TIMEOUT'
  /** No connection, or one that broke. */
  | 'UNREACHABLE'
  /** Any 5xx, or another answer that says that it can't. */
  | 'FAILED'
  /** An answer that makes no sense, content of another digest, or a redirect to where we don't go. */
  | 'INVALID'

export interface UpstreamErrorOptions {
  readonly message: string
  readonly cause?: unknown
  /** How long it wants to be left alone, if it says so. */
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
