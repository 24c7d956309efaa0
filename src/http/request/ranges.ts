/** The headers that ask for a part of something, or for it only when it has changed: RFC 9110 sections 13 and 14.
 *  Every parser takes time in proportion to its header's length. */
import { RegistryError } from '../../core/errors.ts'
import type { ByteRange } from '../../core/storage-driver.ts'

export type RangeRequest =
  | { readonly kind: 'whole' }
  | { readonly kind: 'unsatisfiable' }
  /** At least one, inside the size, in the order asked. */
  | { readonly kind: 'ranges'; readonly ranges: readonly ByteRange[] }

/** Twice what podman asks for in one request. */
const MAX_RANGES = 2_048

const WHOLE: RangeRequest = { kind: 'whole' }
const UNSATISFIABLE: RangeRequest = { kind: 'unsatisfiable' }

/** What a `Range` header asks of content of `size` bytes. RFC 9110 section 14.2. A header that is malformed, of another
 *  unit, or asks for more than the content has in many pieces (section 17.15) is ignored; so is any when the content
 *  is empty, because some clients send one with every request and no range of nothing can be named. */
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

/** One range of the list, clamped to the size; undefined when malformed, and with its end before its start when it
 *  cannot be satisfied. One that is written backwards counts as such: RFC 9110 section 14.2 leaves it to the server to
 *  ignore or to refuse it, and who asked for 500-0 does not want the whole. */
function parseRangeSpec(spec: string, size: number): ByteRange | undefined {
  const [, first = '', last = ''] = /^(\d*)-(\d*)$/.exec(spec) ?? []
  if (first === '') {
    return last === '' ? undefined : { start: Math.max(0, size - Number(last)), end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? Number.POSITIVE_INFINITY : Number(last)
  return { start, end: Math.min(end, size - 1) }
}

/** More than two ranges that overlap so much that the answer would outgrow the content. */
function isAbusive(ranges: readonly ByteRange[], size: number): boolean {
  const asked = ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0)
  return ranges.length > 2 && asked > size
}

/** Where the bytes of an upload's chunk belong, both ends included: `0-99` as the OCI Distribution Specification 1.1
 *  writes it ("Pushing a blob in chunks"), or `bytes 0-99/100` as RFC 9110 section 14.4 does. Undefined without a
 *  header.
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

/** True when an `If-None-Match` header names the content: the client has it. Compared weakly, RFC 9110 section 13.1.2;
 *  a digest without quotes is taken as well, because registry clients send it so.
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

/** True unless an `If-Range` header says that the client's part is of other content. Compared strongly, RFC 9110
 *  section 13.1.5; a date never matches, because content here has none.
 *  @param etag as it is sent: in quotes */
export function ifRangeAllows(header: string | string[] | undefined, etag: string): boolean {
  return header === undefined || (typeof header === 'string' && header.trim() === etag)
}
