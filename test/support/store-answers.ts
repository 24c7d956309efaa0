/** What object stores answer when they are not well, each in its own words, for `FaultyProxy`. */
import type { Fault } from './faulty-proxy.ts'

interface StoreAnswers {
  /** Something in the store broke: the same request may be sent again. */
  internalError(): Fault
  /** It is asked too much, and wants to be asked less. */
  busy(): Fault
  /** The credentials were good once. */
  expired(): Fault
}

interface S3Answers extends StoreAnswers {
  /** The client's clock is not the store's, which the answer tells in its `Date`. */
  skewed(now: Date): Fault
  /** It was removed a moment ago. */
  gone(code: 'NoSuchKey' | 'NoSuchUpload'): Fault
}

/** Amazon S3 API Reference, "Error responses". */
export const s3Answers: S3Answers = {
  internalError: () => s3(500, { code: 'InternalError', message: 'We encountered an internal error.' }),
  busy: () => s3(503, { code: 'SlowDown', message: 'Please reduce your request rate.' }),
  expired: () => s3(400, { code: 'ExpiredToken', message: 'The provided token has expired.' }),
  skewed: (now) => {
    const message = 'The difference between the request time and the current time is too large.'
    return s3(403, { code: 'RequestTimeTooSkewed', message, headers: { date: now.toUTCString() } })
  },
  gone: (code) => s3(404, { code, message: 'It does not exist.' }),
}

interface S3Error {
  readonly code: string
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
}

function s3(status: number, { code, message, headers }: S3Error): Fault {
  const head = '<?xml version="1.0" encoding="UTF-8"?>\n'
  const body = `${head}<Error><Code>${code}</Code><Message>${message}</Message><RequestId>1</RequestId></Error>`
  return { kind: 'answer', status, headers: { 'content-type': 'application/xml', ...headers }, body }
}

/** Azure: "Blob service error codes". */
export const azureAnswers: StoreAnswers = {
  internalError: () => azure(500, 'InternalError', 'The server encountered an internal error.'),
  busy: () => azure(503, 'ServerBusy', 'The server is currently unable to receive requests.'),
  expired: () => azure(401, 'InvalidAuthenticationInfo', 'Lifetime validation failed. The token is expired.'),
}

function azure(status: number, code: string, message: string): Fault {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`
  const headers = { 'content-type': 'application/xml', 'x-ms-error-code': code }
  return { kind: 'answer', status, headers, body }
}

/** Google Cloud Storage JSON API, "HTTP status and error codes". */
export const gcsAnswers: StoreAnswers = {
  internalError: () => gcs(500, 'backendError', 'Backend Error'),
  busy: () => gcs(429, 'rateLimitExceeded', 'The project exceeded the rate limit.'),
  expired: () => gcs(401, 'authError', 'Invalid Credentials'),
}

function gcs(status: number, reason: string, message: string): Fault {
  const error = { code: status, message, errors: [{ domain: 'global', reason, message }] }
  const headers = { 'content-type': 'application/json; charset=UTF-8' }
  return { kind: 'answer', status, headers, body: JSON.stringify({ error }) }
}
