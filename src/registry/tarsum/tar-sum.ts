import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type Digest, type TarSumAlgorithm, tarSumDigest } from '../../core/digest.ts'
import { ByteReader } from '../../lib/tar/byte-reader.ts'
import { TarError } from '../../lib/tar/header.ts'
import { type EntryLimits, TarEntries } from './entries.ts'
import { fieldsOf } from './fields.ts'
import { FileSums } from './file-sums.ts'

export interface TarSumLimits extends EntryLimits {
  /** Of the archive without compression. */
  readonly maxBytes: number
}

const GIBIBYTE = 1024 ** 3
const MAX_RATIO = 100

/** The limits for a layer. Compression of more than a hundred to one is for archives up to 1 GiB.
 *  @param size of the layer as it is stored, in bytes */
export function limitsFor(size: number): TarSumLimits {
  return {
    maxBytes: Math.max(GIBIBYTE, MAX_RATIO * size),
    maxEntries: 250_000,
    maxHeaderBytes: 1024 ** 2,
  }
}

/** Computes the TarSum of a layer: Docker's checksum of the entries of a tar archive, which does not depend on
 *  their sequence or on compression. Docker 1.6, `pkg/tarsum/tarsum_spec.md`.
 *
 *  Takes memory for the sums alone: 48 bytes for each entry.
 *  @param bytes a tar archive, or one compressed by gzip; a chunk is used until the next one is requested
 *  @throws TarError if it is no archive, or beyond a limit; errors of `bytes` */
export async function tarSumOf(
  bytes: AsyncIterable<Uint8Array>,
  algorithm: TarSumAlgorithm,
  limits: TarSumLimits,
): Promise<Digest> {
  const reader = new ByteReader(limited(decompressed(bytes), limits))
  try {
    const entries = new TarEntries(reader, limits)
    const sums = new FileSums()
    for (let entry = await entries.next(); entry !== undefined; entry = await entries.next()) {
      const hash = createHash('sha256').update(fieldsOf(entry, algorithm), 'latin1')
      for await (const piece of entries.content(entry)) hash.update(piece)
      sums.add(entry.header.name, hash.digest())
    }
    return tarSumDigest(algorithm, sums.digest())
  } finally {
    await reader.close()
  }
}

async function* limited(
  bytes: AsyncIterable<Uint8Array>,
  { maxBytes }: TarSumLimits,
): AsyncIterable<Uint8Array> {
  let count = 0
  for await (const chunk of bytes) {
    count += chunk.length
    if (count > maxBytes) throw new TarError(`has more than ${maxBytes} bytes without its compression`)
    yield chunk
  }
}

/** RFC 1952. The first chunk tells whether it is compressed. */
async function* decompressed(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const chunks = bytes[Symbol.asyncIterator]()
  try {
    const first = await beginningOf(chunks)
    if (first[0] === 0x1f && first[1] === 0x8b) yield* gunzipped(first, chunks)
    else yield* joined(first, chunks)
  } finally {
    await chunks.return?.()
  }
}

/** The first two bytes at least, if there are as many; a copy. */
async function beginningOf(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let first = Buffer.alloc(0)
  while (first.length < 2) {
    const next = await chunks.next()
    if (next.done === true) break
    first = Buffer.concat([first, next.value])
  }
  return first
}

async function* joined(first: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  if (first.length > 0) yield first
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value
}

async function* gunzipped(first: Uint8Array, chunks: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  const source = Readable.from(copies(joined(first, chunks)), { objectMode: false, highWaterMark: 0 })
  const gunzip = createGunzip({ chunkSize: 256 * 1024 })
  source.on('error', (error) => gunzip.destroy(error))
  try {
    yield* source.pipe(gunzip)
  } catch (error) {
    if (isOfZlib(error)) throw new TarError('has damaged compression')
    throw error
  } finally {
    gunzip.destroy()
    source.destroy()
  }
}

/** zlib still reads a chunk when the next one is requested. */
async function* copies(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) yield Buffer.from(chunk)
}

function isOfZlib(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^Z_/.test(String(error.code))
}
