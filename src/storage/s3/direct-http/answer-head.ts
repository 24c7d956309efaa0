/** The head of a response. */
export interface AnswerHead {
  readonly status: number
  readonly reason: string
  /** By name in lower case; repeated fields are joined by commas. */
  readonly headers: Record<string, string>
  /** Size of the body. */
  readonly contentLength: number
  /** True if the connection closes after this response. */
  readonly isLast: boolean
}

/** A response of unknown length, or not HTTP/1.1. */
export class UnsupportedResponse extends Error {
  /** Undefined if it can't be parsed. */
  readonly status: number | undefined

  constructor(status?: number) {
    super('a response without a valid Content-Length')
    this.status = status
  }
}

/** Parses a response's head. RFC 9112 sections 4 (status line), 5 (field lines), 6.3 (length of the body),
 *  9.3 (persistence).
 *  @param text without the empty line at its end
 *  @returns undefined for an interim response, which another one follows (RFC 9110 section 15.2)
 *  @throws UnsupportedResponse */
export function parseAnswerHead(text: string): AnswerHead | undefined {
  const [statusLine = '', ...fieldLines] = text.split('\r\n')
  const [, digits, reason = ''] = /^HTTP\/1\.1 (\d{3})(?: (.*))?$/.exec(statusLine) ?? []
  if (digits === undefined) throw new UnsupportedResponse()
  const status = Number(digits)
  if (status < 200) return undefined
  const headers = parseFields(fieldLines)
  const contentLength = headers?.['content-length'] ?? ''
  const isFramed = /^\d{1,15}$/.test(contentLength) && headers?.['transfer-encoding'] === undefined
  if (headers === undefined || !isFramed || WITHOUT_BODY.has(status)) throw new UnsupportedResponse(status)
  const isLast = /(?:^|,)\s*close\s*(?:,|$)/i.test(headers.connection ?? '')
  return { status, reason, headers, contentLength: Number(contentLength), isLast }
}

/** Statuses without a body, despite any Content-Length. RFC 9112 section 6.3. */
const WITHOUT_BODY = new Set([204, 304])

/** Undefined if a line is malformed, or folded, which is obsolete (section 5.2). */
function parseFields(lines: readonly string[]): Record<string, string> | undefined {
  const headers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const [, name, value = ''] = /^([\w!#$%&'*+.^`|~-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name === undefined) return undefined
    const key = name.toLowerCase()
    headers[key] = key in headers ? `${headers[key]}, ${value}` : value
  }
  return headers
}
