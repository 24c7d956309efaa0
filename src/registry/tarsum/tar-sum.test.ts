import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { paxEntry, tarEntry, tarOf } from '../../../test/support/tar-entries.ts'
import { archives, tarSums } from '../../../test/support/tarsum-archives.ts'
import type { TarSumAlgorithm } from '../../core/digest.ts'
import { limitsFor, type TarSumLimits, tarSumOf } from './tar-sum.ts'

/** The next chunk takes the memory of the one before. */
async function* inChunks(bytes: Uint8Array, chunkBytes: number): AsyncIterable<Uint8Array> {
  const memory = Buffer.alloc(chunkBytes)
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes)
    memory.set(chunk)
    yield memory.subarray(0, chunk.length)
  }
}

function sumOf(
  bytes: Uint8Array,
  {
    algorithm = 'tarsum.v1+sha256' as TarSumAlgorithm,
    chunkBytes = 1000,
    ...limits
  }: Partial<TarSumLimits> & { algorithm?: TarSumAlgorithm; chunkBytes?: number } = {},
): Promise<string> {
  const source = inChunks(bytes, chunkBytes)
  return tarSumOf(source, algorithm, { ...limitsFor(bytes.length), ...limits })
}

describe.each(Object.entries(archives))('the TarSum of an archive: %s', (name, bytes) => {
  const [first, second] = tarSums[name as keyof typeof tarSums]

  it.each([1, 511, 100_000])('is that of Docker, in chunks of %d bytes', async (chunkBytes) => {
    expect(await sumOf(bytes, { chunkBytes })).toBe(`tarsum.v1+sha256:${second}`)
    const withTimes = await sumOf(bytes, { chunkBytes, algorithm: 'tarsum+sha256' })
    expect(withTimes).toBe(`tarsum+sha256:${first}`)
    const dev = await sumOf(bytes, { chunkBytes, algorithm: 'tarsum.dev+sha256' })
    expect(dev).toBe(`tarsum.dev+sha256:${second}`)
  })

  it.each([1, 100_000])('is the same if it is compressed, in chunks of %d bytes', async (chunkBytes) => {
    expect(await sumOf(gzipSync(bytes), { chunkBytes })).toBe(`tarsum.v1+sha256:${second}`)
  })
})

it('takes bytes behind the end of the archive for padding', async () => {
  const padded = Buffer.concat([archives['files and folders'], Buffer.alloc(8192), Buffer.from('rest')])
  expect(await sumOf(padded)).toBe(await sumOf(archives['files and folders']))
})

const deep = Array.from({ length: 100 }, () => tarEntry({ name: 'long', type: 'L', content: 'x' }))
const contrary = Array.from({ length: 40 }, (_, at) => tarEntry({ name: 'same', content: String(at) }))

it.each<[string, Uint8Array, Partial<TarSumLimits>?]>([
  ['is no tar archive', Buffer.alloc(2048, 'text')],
  ['is no tar archive', Buffer.alloc(512, 1)],
  ['is cut off', tarEntry({ name: 'a', content: 'x'.repeat(2000) }).subarray(0, 1024)],
  ['is cut off', archives['files and folders'].subarray(0, 700)],
  ['one empty block', Buffer.concat([Buffer.alloc(512), tarEntry({ name: 'a' })])],
  ['damaged compression', gzipSync(archives['files and folders']).subarray(0, 60)],
  ['damaged compression', Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(100, 7)])],
  ['sparse file', tarOf(tarEntry({ name: 'a', type: 'S' }))],
  ['sparse file', tarOf(paxEntry({ 'GNU.sparse.realsize': '9'.repeat(15) }), tarEntry({ name: 'a' }))],
  ['impossible size', tarOf(tarEntry({ name: 'a', size: `\x80${'\xff'.repeat(11)}` }))],
  ['impossible size', tarOf(paxEntry({ size: '-1' }), tarEntry({ name: 'a' }))],
  ['not decimal', tarOf(paxEntry({ uid: '9'.repeat(19) }), tarEntry({ name: 'a' }))],
  ['not octal', tarOf(tarEntry({ name: 'a', size: '9'.repeat(11) }))],
  ['malformed extended header', tarOf(tarEntry({ name: 'pax', type: 'x', content: '999 path=a\n' }))],
  ['malformed extended header', tarOf(tarEntry({ name: 'pax', type: 'x', content: '5\n' }))],
  ['ends behind an extended header', tarOf(paxEntry({ path: 'a' }))],
  ['a header of more than', tarOf(tarEntry({ name: 'a', type: 'L', size: '77777777777' }))],
  ['more than 50 entries', tarOf(...deep, tarEntry({ name: 'a' })), { maxEntries: 50 }],
  ['more than 10 entries', tarOf(...contrary), { maxEntries: 10 }],
  [
    'without its compression',
    gzipSync(tarEntry({ name: 'a', content: '0'.repeat(4 * 1024 ** 2) })),
    { maxBytes: 1024 ** 2 },
  ],
  [
    'without its compression',
    gzipSync(tarEntry({ name: 'a', content: '0'.repeat(9_000) })),
    { maxBytes: 9_000 },
  ],
  ['several entries of one name', tarOf(...contrary)],
])('refuses an archive that … %s', async (problem, bytes, limits) => {
  await expect(sumOf(bytes, limits)).rejects.toMatchObject({
    name: 'TarError',
    message: expect.stringContaining(problem),
  })
})

it('closes its source when it ends early, and passes on its errors', async () => {
  let isClosed = false
  async function* source() {
    try {
      for (;;) yield Buffer.alloc(512)
    } finally {
      isClosed = true
    }
  }
  await tarSumOf(source(), 'tarsum.v1+sha256', limitsFor(0))
  expect(isClosed).toBe(true)
  const failing = async function* (first: Uint8Array) {
    yield first
    throw new Error('the disk is gone')
  }
  for (const first of [tarEntry({ name: 'a' }), gzipSync(archives['files and folders']).subarray(0, 60)]) {
    await expect(tarSumOf(failing(first), 'tarsum.v1+sha256', limitsFor(0))).rejects.toThrow(
      'the disk is gone',
    )
  }
})
