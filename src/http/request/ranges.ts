/** Range and conditional headers: RFC 9110 sections 13 and 14. Every parser takes time proportional to the
 *  length of its header. */
import { RegistryError } from '../../core/errors.ts'
import type { ByteRange } from '../../core/storage-driver.ts'

export type RangeRequest =
  | { readonly kind: 'whole' }
  | { readonly kind: 'unsatisfiable' }
  /** At least one, inside the size, in the requested order. */
  | { readonly kind: 'ranges'; readonly ranges: readonly ByteRange[] }

/** Twice the number that podman requests at once. */
const MAX_RANGES = 2_048

const WHOLE: RangeRequest = { kind: 'whole' }
const UNSATISFIABLE: RangeRequest = { kind: 'unsatisfiable' }

/** Parses a `Range` header for content of `size` bytes. RFC 9110 section 14.2. Ignored if it is malformed, of
 *  another unit, or asks for more than the content in many ranges (section 17.15); also if the content is
 *  empty, because some clients send one with every request and no range of it can be valid. */
export function parseRange(header: string | undefined, size: number): RangeRequest {
  const list = /^bytes=(.*)$/i.exec(header ?? '')?.[1]
  if (list === undefined || size === 0) return WHOLE
  const specs = list
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '')
  if (specs.length === 0 || specs.length > MAX_RANGES) return WHOLE
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const range = parseRangeSpec(spec, size)
    if (range === undefined) return WHOLE
    if (range.start <= range.end) ranges.push(range)
  }
  if (ranges.length === 0) return UNSATISFIABLE
  return isAbusive(ranges, size) ? WHOLE : { kind: 'ranges', ranges }
}

/** One range, clamped to the size. Undefined if malformed; with its end before its start if unsatisfiable. A
 *  reversed range such as 500-0 counts as unsatisfiable: RFC 9110 section 14.2 leaves that to the server, and
 *  the client does not want the whole. */
function parseRangeSpec(spec: string, size: number): ByteRange | undefined {
  const [, first = '', last = ''] = /^(\d*)-(\d*)$/.exec(spec) ?? []
  if (first === '') {
    return last === '' ? undefined : { start: Math.max(0, size - Number(last)), end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? Number.POSITIVE_INFINITY : Number(last)
  return { start, end: Math.min(end, size - 1) }
}

/** True for more than two ranges that overlap so much that the response would exceed the content. */
function isAbusive(ranges: readonly ByteRange[], size: number): boolean {
  const asked = ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0)
  return ranges.length > 2 && asked > size
}

/** Parses the position of an upload's chunk, both ends included: `0-99` as in the OCI Distribution
 *  Specification 1.1 ("Pushing a blob in chunks"), or `bytes 0-99/100` as in RFC 9110 section 14.4. Undefined
 *  without a header.
 *  @throws RegistryError RANGE_INVALID */
export function parseContentRange(header: string | undefined): ByteRange | undefined {
  if (header === undefined || header.trim() === '') return undefined
  const [, first, last, size] = /^(?:bytes +)?(\d+)-(\d+)(?:\/(?:(\d+)|\*))?$/i.exec(header.trim()) ?? []
  const [start, end] = [Number(first), Number(last)]
  if (first === undefined || !Number.isSafeInteger(start) || !Number.isSafeInteger(end)) {
    throw invalidContentRange('is not <start>-<end>')
  }
  if (end < start) throw invalidContentRange('ends before it starts')
  if (size !== undefined && Number(size) <= end) throw invalidContentRange('ends past its size')
  return { start, end }
}

function invalidContentRange(problem: string): RegistryError {
  return new RegistryError('RANGE_INVALID', { message: `the Content-Range ${problem}` })
}

/** True if an `If-None-Match` header names the content. Compared weakly, RFC 9110 section 13.1.2; digests
 *  without quotes are accepted, because registry clients send them.
 *  @param etag as it is sent: in quotes */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header.trim() === '*') return true
  const wanted = opaqueTag(etag)
  return header.split(',').some((candidate) => opaqueTag(candidate) === wanted)
}

function opaqueTag(etag: string): string {
  const [, quoted, bare = ''] = /^(?:(?:W\/)?"([^"]*)"|(.*))$/.exec(etag.trim()) ?? []
  return quoted ?? bare
}

/** True unless an `If-Range` header names other content. Compared strongly, RFC 9110 section 13.1.5; dates
 *  never match, because content here has none.
 *  @param etag as it is sent: in quotes */
export function ifRangeAllows(header: string | string[] | undefined, etag: string): boolean {
  return header === undefined || (typeof header === 'string' && header.trim() === etag)
}
