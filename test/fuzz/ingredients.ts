/** What requests are made of: much that is right, so that they get far, and much that is not. */
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import type { Random } from '../support/random.ts'

export interface Ingredients {
  /** Digests of blobs that are in the repository `a`, small and large. */
  readonly digests: readonly string[]
  /** Paths of uploads that have begun. */
  readonly uploads: readonly string[]
}

export interface RequestParts {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Absent where there is none. */
  readonly body?: Buffer
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']
/** The usual ones come more often. */
const WEIGHTED = [...METHODS, 'GET', 'GET', 'HEAD', 'HEAD', 'HEAD', 'POST', 'PUT', 'PATCH']

export function makeRequest(random: Random, ingredients: Ingredients): RequestParts {
  const method = random.pick(WEIGHTED)
  const hasBody = /^P/.test(method) ? random.below(8) > 0 : random.below(20) === 0
  return {
    method,
    path: makePath(random, ingredients),
    headers: makeHeaders(random),
    ...(hasBody && { body: makeBody(random) }),
  }
}

function makePath(random: Random, { digests, uploads }: Ingredients): string {
  const digest = random.below(3) === 0 ? digestOf(random.bytes(4)) : random.pick(digests)
  const upload =
    random.below(3) === 0 ? `/v2/a/blobs/uploads/${random.bytes(8).toString('hex')}` : random.pick(uploads)
  return random.pick([
    '/',
    '/v2/',
    '/v2',
    '/v2/_catalog',
    `/v2/_catalog?n=${random.below(5)}&last=${makeText(random)}`,
    '/v2/a/tags/list?n=1',
    '/v2/a/manifests/x',
    '/v2/a/manifests/none',
    `/v2/a/manifests/${digest}`,
    `/v2/a/blobs/${digest}`,
    `/v2/a/blobs/${digest}`,
    `/v2/a/referrers/${digest}`,
    `/v2/a/_entrepot/signatures/${digest}`,
    '/v2/a/blobs/uploads/',
    `/v2/a/blobs/uploads/?digest=${digest}`,
    `/v2/a/blobs/uploads/?mount=${digest}&from=${makeText(random)}`,
    upload,
    `${upload}?digest=${digest}`,
    '/auth/token?service=x&scope=repository:a:pull',
    '/auth/jwks',
    '*',
    `/${makeText(random)}`,
    `/v2/${makeText(random)}/manifests/${makeText(random)}`,
  ])
}

/** Of what a path or a header may hold, for better or worse. */
function makeText(random: Random): string {
  const bytes = random.bytes(random.below(12))
  return random.pick([
    encodeURIComponent(bytes.toString('latin1')),
    bytes.toString('hex'),
    bytes.toString('base64'),
    '__proto__',
    '..%2f..',
    '%',
    'a'.repeat(random.below(2000)),
  ])
}

const HEADERS: Readonly<Record<string, readonly string[]>> = {
  accept: ['*/*', MediaType.ociManifest, 'text/html', ',;q=,', 'a/b;q=0'],
  authorization: ['Basic Og==', 'Basic YTpi', 'Bearer a.b.c', 'Bearer', 'Basic %', 'Digest x'],
  'content-range': ['0-0', 'bytes 0-99/100', '9-1', '-', '0-18446744073709551615'],
  'content-type': [
    MediaType.ociManifest,
    MediaType.ociIndex,
    'text/plain',
    ';',
    'application/json; charset=x',
  ],
  cookie: ['a=b', ';;'],
  expect: ['100-continue', '100-Continue', 'x', ''],
  forwarded: ['for=1.2.3.4;host=h;proto=https', 'for="[::1]:1"', ';;=', 'host="'],
  'if-none-match': ['*', '"x"', 'W/"x"', ',', '"'],
  'if-range': ['"x"', 'Tue, 01 Jan 2030 00:00:00 GMT'],
  range: [
    'bytes=0-',
    'bytes=0-0,2-3',
    'bytes=-1',
    'bytes=9-1',
    'bytes=',
    'lines=1-2',
    `bytes=${'0-0,'.repeat(500)}`,
  ],
  te: ['trailers'],
  'user-agent': ['fuzz', ''],
  'x-forwarded-for': ['1.2.3.4', ',,', 'x'],
  'x-forwarded-host': ['h', '@'],
  'x-request-id': ['mine', ' ', 'x'.repeat(300)],
}

function makeHeaders(random: Random): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let count = random.below(4); count > 0; count--) {
    const name = random.pick(Object.keys(HEADERS))
    headers[name] = random.below(10) === 0 ? makeText(random) : random.pick(HEADERS[name] ?? [])
  }
  return headers
}

function makeBody(random: Random): Buffer {
  return random.pick([
    () => Buffer.alloc(0),
    () => random.bytes(random.below(100)),
    () => random.bytes(random.below(40_000)),
    () => Buffer.from('{"schemaVersion":2}'),
    () => Buffer.from('['.repeat(random.below(2000))),
    () => Buffer.from('grant_type=password&username=a&password=b'),
  ])()
}
