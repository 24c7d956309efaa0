import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { posix } from 'node:path'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import { BLOCK_BYTES, isZeroBlock, parseTarHeader, TarError, untilZero } from '../../lib/tar/header.ts'
import { parsePaxRecords } from '../../lib/tar/pax.ts'
import type { FileTree } from '../layout/file-tree.ts'

const CHUNK_BYTES = 256 * 1024
/** Of a long name, and of a pax header. */
const MAX_HEADER_BYTES = 1024 ** 2
const MAX_ENTRIES = 100_000
const MAX_LINKS = 40

/** Where a file's bytes are in the archive; or which file it is a link to. */
type Entry = { readonly start: number; readonly size: number } | { readonly target: string }

/** The files of an uncompressed tar archive. POSIX.1-2001, "pax" and "ustar"; GNU's long names. */
export class TarTree implements FileTree {
  readonly name: string
  readonly #path: string
  readonly #entries: ReadonlyMap<string, Entry>

  private constructor(path: string, name: string, entries: ReadonlyMap<string, Entry>) {
    this.#path = path
    this.name = name
    this.#entries = entries
  }

  /** @throws UpstreamError INVALID if it is no such archive; Error of the system */
  static async open(path: string, name = path): Promise<TarTree> {
    const file = await open(path)
    try {
      return new TarTree(path, name, await entriesOf(file, name))
    } finally {
      await file.close()
    }
  }

  async size(path: string): Promise<number | undefined> {
    return this.#find(path)?.size
  }

  async *open(path: string, start: number): AsyncIterable<Uint8Array> {
    const found = this.#find(path)
    if (found === undefined) throw new UpstreamError('NOT_FOUND', { message: `${this.name} has no ${path}` })
    if (start >= found.size) return
    const range = { start: found.start + start, end: found.start + found.size - 1 }
    yield* createReadStream(this.#path, { ...range, highWaterMark: CHUNK_BYTES })
  }

  #find(path: string): { readonly start: number; readonly size: number } | undefined {
    let entry = this.#entries.get(posix.normalize(path))
    for (let links = 0; entry !== undefined && 'target' in entry; links++) {
      if (links === MAX_LINKS) return undefined
      entry = this.#entries.get(entry.target)
    }
    return entry
  }
}

/** What headers before an entry say of it. */
interface LongValues {
  readonly path?: string
  readonly linkPath?: string
  readonly size?: number
}

async function entriesOf(file: FileHandle, name: string): Promise<Map<string, Entry>> {
  try {
    return await readEntries(file)
  } catch (error) {
    if (!(error instanceof TarError)) throw error
    throw new UpstreamError('INVALID', { message: `${name} ${error.message}`, cause: error })
  }
}

/** @throws TarError */
async function readEntries(file: FileHandle): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>()
  const block = Buffer.alloc(BLOCK_BYTES)
  const { size: end } = await file.stat()
  let long: LongValues = {}
  for (let position = 0; position + BLOCK_BYTES <= end; ) {
    await file.read(block, 0, BLOCK_BYTES, position)
    if (isZeroBlock(block)) break
    const header = parseTarHeader(block)
    const start = position + BLOCK_BYTES
    const size = long.size ?? Number(header.size)
    if (!Number.isSafeInteger(size) || size < 0 || start + size > end) throw new TarError('is cut off')
    position = start + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES
    if ('xLKg'.includes(header.type)) {
      if (size > MAX_HEADER_BYTES) throw new TarError('has a header that is too long')
      const content = Buffer.alloc(size)
      await file.read(content, 0, size, start)
      long = { ...long, ...valuesOf(header.type, content) }
      continue
    }
    const path = posix.normalize(long.path ?? utf8(header.name))
    const entry = entryOf(header.type, { path, link: long.linkPath ?? utf8(header.linkName), start, size })
    if (entry !== undefined) entries.set(path, entry)
    if (entries.size > MAX_ENTRIES) throw new TarError(`has more than ${MAX_ENTRIES} files`)
    long = {}
  }
  return entries
}

function entryOf(
  type: string,
  { path, link, start, size }: { path: string; link: string; start: number; size: number },
): Entry | undefined {
  if (type === '0' || type === '\0' || type === '7') return { start, size }
  if (type === '1') return { target: posix.normalize(link) }
  if (type === '2') return { target: posix.normalize(posix.join(posix.dirname(path), link)) }
  return undefined
}

function valuesOf(type: string, content: Buffer): LongValues {
  if (type === 'L') return { path: utf8(untilZero(content.toString('latin1'))) }
  if (type === 'K') return { linkPath: utf8(untilZero(content.toString('latin1'))) }
  // A global header says nothing that is needed here.
  if (type === 'g') return {}
  const records = parsePaxRecords(content)
  const [path, link, size] = ['path', 'linkpath', 'size'].map((key) => records.get(key))
  return {
    ...(path && { path: utf8(path) }),
    ...(link && { linkPath: utf8(link) }),
    ...(size && { size: Number(size) }),
  }
}

/** The text of a byte string. */
function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
