import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { posix } from 'node:path'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { FileTree } from '../layout/file-tree.ts'

const BLOCK_BYTES = 512
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

interface PaxValues {
  readonly path?: string
  readonly linkpath?: string
  readonly size?: string
}

async function entriesOf(file: FileHandle, name: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>()
  const header = Buffer.alloc(BLOCK_BYTES)
  const { size: end } = await file.stat()
  let pax: PaxValues = {}
  for (let position = 0; position + BLOCK_BYTES <= end; ) {
    await file.read(header, 0, BLOCK_BYTES, position)
    if (header.every((byte) => byte === 0)) break
    if (!hasChecksum(header)) throw invalid(name, 'is no tar archive')
    const start = position + BLOCK_BYTES
    const type = String.fromCharCode(header[156] ?? 0)
    const size = pax.size === undefined ? numberAt(header, 124, 12) : Number(pax.size)
    if (!Number.isSafeInteger(size) || size < 0 || start + size > end) throw invalid(name, 'is cut off')
    position = start + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES
    if ('xLKg'.includes(type)) {
      if (size > MAX_HEADER_BYTES) throw invalid(name, 'has a header that is too long')
      const text = Buffer.alloc(size)
      await file.read(text, 0, size, start)
      pax = { ...pax, ...valuesOf(type, text) }
      continue
    }
    const path = posix.normalize(pax.path ?? nameIn(header))
    const entry = entryOf(type, { path, link: pax.linkpath ?? textAt(header, 157, 100), start, size })
    if (entry !== undefined) entries.set(path, entry)
    if (entries.size > MAX_ENTRIES) throw invalid(name, `has more than ${MAX_ENTRIES} files`)
    pax = {}
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

function valuesOf(type: string, text: Buffer): PaxValues {
  const plain = text.toString().replace(/\0+$/, '')
  if (type === 'L') return { path: plain }
  if (type === 'K') return { linkpath: plain }
  // A global header says nothing that is needed here.
  return type === 'g' ? {} : paxRecords(text)
}

/** `<length> <key>=<value>\n`, the length in bytes. */
function paxRecords(text: Buffer): PaxValues {
  const values: Record<string, string> = {}
  for (let at = 0; at < text.length; ) {
    const length = Number(/^\d+(?= )/.exec(text.toString('latin1', at, at + 20))?.[0])
    if (!(length > 0) || at + length > text.length) break
    const record = text.toString('utf8', at, at + length - 1)
    const [, key = '', value = ''] = /^\d+ ([^=]+)=([\s\S]*)$/.exec(record) ?? []
    values[key] = value
    at += length
  }
  const { path, linkpath, size } = values
  return { ...(path && { path }), ...(linkpath && { linkpath }), ...(size && { size }) }
}

function nameIn(header: Buffer): string {
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? textAt(header, 345, 155) : ''
  const name = textAt(header, 0, 100)
  return prefix === '' ? name : `${prefix}/${name}`
}

function textAt(header: Buffer, at: number, length: number): string {
  const field = header.subarray(at, at + length)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? length : end)
}

/** Octal; or, above 8 GiB, GNU's base 256. */
function numberAt(header: Buffer, at: number, length: number): number {
  if (((header[at] ?? 0) & 0x80) !== 0) return Number(header.readBigUInt64BE(at + length - 8))
  return Number.parseInt(textAt(header, at, length).trim() || '0', 8)
}

function hasChecksum(header: Buffer): boolean {
  let sum = 0
  for (const [at, byte] of header.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte
  return sum === numberAt(header, 148, 8)
}

function invalid(name: string, problem: string): UpstreamError {
  return new UpstreamError('INVALID', { message: `${name} ${problem}` })
}
