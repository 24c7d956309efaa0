/** The web page at `/ui/`. Its files are public; what it shows comes from the API, with the rights of the
 *  person who looks. */
import { RegistryError } from '../../core/errors.ts'
import { PAGE_ENCODINGS, type PageFile } from '../../core/page/page.ts'
import { emptyReply, type Reply } from '../reply/reply.ts'
import { preferredEncoding } from '../request/accept-encoding.ts'
import type { RequestContext } from '../request-context.ts'

/** A file of the page. Every other path below `/ui/` is a view of the page, which its document shows.
 *  @throws RegistryError PATH_UNKNOWN if the page is disabled, or a file is of another version */
export function getPage(context: RequestContext): Reply {
  const { page } = context
  if (page === undefined) throw new RegistryError('PATH_UNKNOWN')
  if (context.reference === '') return emptyReply(301, { location: context.location('/ui/') })
  const path = context.reference.slice(1)
  const file = page.file(path) ?? (isAsset(path) ? undefined : page.file('index.html'))
  if (file === undefined) throw new RegistryError('PATH_UNKNOWN')
  return sentFile(file, context)
}

/** To the page, for browsers only: they ask for HTML by name. */
export function redirectToPage(context: RequestContext): Reply {
  return emptyReply(302, { location: context.location('/ui/'), vary: 'accept', 'cache-control': 'no-cache' })
}

function sentFile({ content, mediaType, etag, isImmutable }: PageFile, { request }: RequestContext): Reply {
  const available = PAGE_ENCODINGS.filter((encoding) => content[encoding] !== undefined)
  const encoding = preferredEncoding(request.headers['accept-encoding'], available)
  const headers = {
    ...SAFETY,
    'content-type': mediaType,
    'cache-control': isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    vary: 'accept-encoding',
    etag: encoding === 'identity' ? etag : `${etag.slice(0, -1)}-${encoding}"`,
  }
  if (request.headers['if-none-match'] === headers.etag) return emptyReply(304, headers)
  const body = content[encoding] as Uint8Array
  const coding = encoding === 'identity' ? {} : { 'content-encoding': encoding }
  return { status: 200, headers: { ...headers, ...coding, 'content-length': body.length }, body }
}

function isAsset(path: string): boolean {
  return path.startsWith('assets/')
}

/** Only the page's own files run and are shown, and text never becomes HTML or code.
 *  https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/ */
const SAFETY = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}
