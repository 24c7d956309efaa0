import { type ErrorCode, RegistryError } from '../../core/errors.ts'
import { jsonReply, type WholeReply } from './reply.ts'

interface Answer {
  readonly status: number
  readonly message: string
  /** The code that is sent, if the specification has no such name. */
  readonly code?: string
}

/** OCI Distribution Specification 1.1, "Error Codes", and additional codes of Docker's API. */
const answers = {
  BLOB_UNKNOWN: { status: 404, message: 'blob unknown to registry' },
  BLOB_UPLOAD_INVALID: { status: 404, message: 'blob upload invalid' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, message: 'blob upload unknown to registry' },
  BLOB_TOO_LARGE: { status: 413, code: 'SIZE_INVALID', message: 'blob is too large' },
  DELETION_UNKNOWN: { status: 404, code: 'NAME_UNKNOWN', message: 'there is no such deletion to undo' },
  DENIED: { status: 403, message: 'requested access to the resource is denied' },
  DIGEST_INVALID: { status: 400, message: 'provided digest did not match uploaded content' },
  EXPECTATION_FAILED: {
    status: 417,
    code: 'UNSUPPORTED',
    message: 'only 100-continue is supported',
  },
  INSUFFICIENT_STORAGE: { status: 507, message: 'the storage is full' },
  MANIFEST_BLOB_UNKNOWN: {
    status: 400,
    message: 'manifest references a manifest or blob unknown to registry',
  },
  MANIFEST_INVALID: { status: 400, message: 'manifest invalid' },
  MANIFEST_TOO_LARGE: { status: 413, code: 'MANIFEST_INVALID', message: 'manifest is too large' },
  MANIFEST_UNKNOWN: { status: 404, message: 'manifest unknown to registry' },
  MANIFEST_UNVERIFIED: { status: 400, message: 'manifest failed signature verification' },
  NAME_INVALID: { status: 400, message: 'invalid repository name' },
  NAME_UNKNOWN: { status: 404, message: 'repository name not known to registry' },
  PAGINATION_NUMBER_INVALID: { status: 400, message: 'invalid number of results requested' },
  // Not NAME_UNKNOWN: a client that asks for referrers would take the repository for missing and not fall
  // back.
  PATH_UNKNOWN: { status: 404, code: 'UNSUPPORTED', message: 'no such path in the registry API' },
  REQUEST_INVALID: { status: 400, code: 'UNSUPPORTED', message: 'the request is invalid' },
  RANGE_INVALID: { status: 416, message: 'invalid content range' },
  SIZE_INVALID: { status: 400, message: 'provided length did not match content length' },
  // Clients know DENIED and print the message with it.
  TAG_IMMUTABLE: { status: 409, code: 'DENIED', message: 'the tag is immutable' },
  TAG_INVALID: { status: 400, message: 'manifest tag did not match URI' },
  TOO_MANY_TAGS: { status: 414, code: 'TAG_INVALID', message: 'too many tags at once' },
  TOOMANYREQUESTS: { status: 429, message: 'too many requests' },
  UNAUTHORIZED: { status: 401, message: 'authentication required' },
  UNAVAILABLE: { status: 503, message: 'service unavailable; try again' },
  UNKNOWN: { status: 500, message: 'unknown error' },
  UNSUPPORTED: { status: 405, message: 'the operation is unsupported' },
  UPSTREAM_FAILED: { status: 502, code: 'UNAVAILABLE', message: 'the upstream registry failed' },
  UPSTREAM_TIMEOUT: { status: 504, code: 'UNAVAILABLE', message: 'the upstream registry does not answer' },
} as const satisfies Record<ErrorCode, Answer>

/** `Retry-After` if file handles run out or a limit is exceeded. */
const RETRY_AFTER_SECONDS = 1

/** The JSON reply to an error: the status of the first error, all of them in the body. */
export function errorReply(error: RegistryError): WholeReply {
  const errors = [error, ...error.others].map(({ code, message, detail }) => {
    const answer: Answer = answers[code]
    return { code: answer.code ?? code, message: message || answer.message, detail }
  })
  const mayTryAgain = error.code === 'UNAVAILABLE' || error.code === 'TOOMANYREQUESTS'
  const seconds = error.retryAfterSeconds ?? (mayTryAgain ? RETRY_AFTER_SECONDS : undefined)
  const headers = seconds === undefined ? undefined : { 'retry-after': String(seconds) }
  return { ...jsonReply(answers[error.code].status, { errors }, headers), failure: { error, told: errors } }
}

/** The error sent for unexpected exceptions, without internals. */
export const unforeseen = new RegistryError('UNKNOWN')
