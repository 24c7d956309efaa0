import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { OCTET_STREAM } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'
import type { Blob } from '../../core/registry.ts'
import type { ByteRange } from '../../core/storage-driver.ts'
import { ifRangeAllows, matchesEtag, parseRange } from '../request/ranges.ts'
import { cacheHeaders } from './cache-status.ts'
import { emptyReply, type Reply } from './reply.ts'

/** The reply to a GET or HEAD of immutable bytes: whole, one range, several ranges, or 304. RFC 9110 sections
 *  13 and 14. */
export function blobReply(blob: Blob, request: { headers: IncomingHttpHeaders; isHead: boolean }): Reply {
  const { digest, size } = blob.descriptor
  const { headers: asked, isHead } = request
  const etag = `"${digest}"`
  const headers = headersOf({ etag, digest, accept: asked.accept })
  if (blob.cacheStatus !== undefined) Object.assign(headers, cacheHeaders(blob.cacheStatus))
  if (matchesEtag(asked['if-none-match'], etag)) return emptyReply(304, headers)
  if (isHead) return { status: 200, headers: asWhole(headers, size) }
  const range = asked.range !== undefined && ifRangeAllows(asked['if-range'], etag) ? asked.range : undefined
  const wanted = parseRange(range, size)
  switch (wanted.kind) {
    case 'whole': {
      const { content } = blob
      if (content !== undefined) return { status: 200, headers: asWhole(headers, size), body: content }
      return { status: 200, headers: asWhole(headers, size), body: blob.read() }
    }
    case 'unsatisfiable':
      return emptyReply(416, { ...headers, 'content-range': `bytes */${size}` })
    case 'ranges':
      return partialReply(blob, wanted.ranges, headers)
  }
}

function partialReply(blob: Blob, ranges: readonly ByteRange[], headers: OutgoingHttpHeaders): Reply {
  const [first] = ranges
  if (first !== undefined && ranges.length === 1) {
    return {
      status: 206,
      headers: {
        ...headers,
        'content-type': OCTET_STREAM,
        'content-range': contentRange(first, blob.descriptor.size),
        'content-length': lengthOf(first),
      },
      body: blob.read({ range: first }),
    }
  }
  return multipartReply(blob, ranges, headers)
}

/** A `multipart/byteranges` body. RFC 9110 section 14.6. */
function multipartReply(blob: Blob, ranges: readonly ByteRange[], headers: OutgoingHttpHeaders): Reply {
  const boundary = randomUUID()
  const parts = ranges.map((range) => ({ range, head: partHead(range, blob.descriptor.size, boundary) }))
  const end = Buffer.from(`\r\n--${boundary}--\r\n`)
  const length = parts.reduce((sum, { range, head }) => sum + head.length + lengthOf(range), end.length)
  return {
    status: 206,
    headers: {
      ...headers,
      'content-type': `multipart/byteranges; boundary=${boundary}`,
      'content-length': length,
    },
    body: multipart(blob, parts, end),
  }
}

async function* multipart(
  blob: Blob,
  parts: readonly { range: ByteRange; head: Uint8Array }[],
  end: Uint8Array,
): AsyncIterable<Uint8Array> {
  for (const { range, head } of parts) {
    yield head
    yield* blob.read({ range })
  }
  yield end
}

function partHead(range: ByteRange, size: number, boundary: string): Uint8Array {
  return Buffer.from(
    `\r\n--${boundary}\r\nContent-Type: ${OCTET_STREAM}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`,
  )
}

function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`
}

function lengthOf({ start, end }: ByteRange): number {
  return end - start + 1
}

/** The headers of a blob. It may be HTML with scripts, which browsers must neither run nor display. */
function headersOf({ etag, digest, accept }: { etag: string; digest: Digest; accept: string | undefined }) {
  const headers: OutgoingHttpHeaders = {
    etag,
    'docker-content-digest': digest,
    'cache-control': 'max-age=31536000, immutable',
    'accept-ranges': 'bytes',
    'content-security-policy': 'sandbox',
  }
  if (accept?.includes('text/html')) headers['content-disposition'] = 'attachment'
  return headers
}

/** Mutates the object, which is cheaper than a copy. */
function asWhole(headers: OutgoingHttpHeaders, size: number): OutgoingHttpHeaders {
  headers['content-type'] = OCTET_STREAM
  headers['content-length'] = size
  return headers
}
