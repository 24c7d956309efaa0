import type { ByteReader } from '../../lib/tar/byte-reader.ts'
import {
  BLOCK_BYTES,
  isZeroBlock,
  parseTarHeader,
  TarError,
  type TarHeader,
  untilZero,
} from '../../lib/tar/header.ts'
import { parsePaxRecords } from '../../lib/tar/pax.ts'

/** An entry of an archive, with what the headers before it say. */
export interface TarEntry {
  readonly header: TarHeader
  /** Extended attributes, by their names. Byte strings. */
  readonly attributes: ReadonlyMap<string, string>
}

export interface EntryLimits {
  /** Of entries and headers before them. */
  readonly maxEntries: number
  /** Of a long name, or of an extended header. */
  readonly maxHeaderBytes: number
}

const ATTRIBUTE_PREFIX = 'SCHILY.xattr.'
const SPARSE_PREFIX = 'GNU.sparse.'

/** The entries of an archive as Go 1.4's `archive/tar` reads them, which Docker computed its sums with: an extended
 *  header is about the entry behind it, a global one is an entry of its own. Sparse files are refused: the bytes
 *  to be hashed would be those of the holes too, of any number.
 *
 *  The caller reads each entry's content before it takes the next one. */
export class TarEntries {
  readonly #bytes: ByteReader
  readonly #limits: EntryLimits
  #headers = 0

  constructor(bytes: ByteReader, limits: EntryLimits) {
    this.#bytes = bytes
    this.#limits = limits
  }

  /** Undefined at the end: two empty blocks, or nothing more.
   *  @throws TarError */
  async next(): Promise<TarEntry | undefined> {
    let names: { name?: string; linkName?: string } = {}
    for (;;) {
      const header = await this.#header()
      if (header === undefined) return requireNoNames(names)
      if (header.type === 'L' || header.type === 'K') {
        const long = untilZero((await this.#contentOf(header)).toString('latin1'))
        names = { ...(header.type === 'L' ? { name: long } : { linkName: long }), ...names }
        continue
      }
      const entry =
        header.type === 'x'
          ? await this.#extended(await this.#contentOf(header))
          : { header, attributes: new Map<string, string>() }
      return { ...entry, header: { ...entry.header, ...names } }
    }
  }

  /** The content of an entry, without the padding behind it. */
  async *content({ header }: TarEntry): AsyncIterable<Uint8Array> {
    const size = Number(header.size)
    yield* this.#bytes.pieces(size)
    await this.#bytes.skip(paddingOf(size))
  }

  async #extended(content: Buffer): Promise<TarEntry> {
    const records = parsePaxRecords(content)
    const header = await this.#header()
    if (header === undefined) throw endsEarly()
    return withRecords(header, records)
  }

  async #header(): Promise<TarHeader | undefined> {
    if (++this.#headers > this.#limits.maxEntries)
      throw new TarError(`has more than ${this.#limits.maxEntries} entries`)
    const block = await this.#bytes.read(BLOCK_BYTES)
    if (block === undefined) return undefined
    if (!isZeroBlock(block)) return checked(parseTarHeader(block))
    const second = await this.#bytes.read(BLOCK_BYTES)
    if (second === undefined || isZeroBlock(second)) return undefined
    throw new TarError('has one empty block before a header')
  }

  async #contentOf({ size }: TarHeader): Promise<Buffer> {
    if (size > this.#limits.maxHeaderBytes)
      throw new TarError(`has a header of more than ${this.#limits.maxHeaderBytes} bytes`)
    const content = size === 0n ? Buffer.alloc(0) : await this.#bytes.read(Number(size))
    if (content === undefined) throw new TarError('is cut off')
    await this.#bytes.skip(paddingOf(content.length))
    return content
  }
}

function paddingOf(size: number): number {
  return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES
}

/** @throws TarError if a name has no entry */
function requireNoNames(names: object): undefined {
  if (Object.keys(names).length > 0) throw endsEarly()
}

function endsEarly(): TarError {
  return new TarError('ends behind an extended header')
}

function withRecords(header: TarHeader, records: ReadonlyMap<string, string>): TarEntry {
  const attributes = new Map<string, string>()
  for (const [key, value] of records) {
    if (key.startsWith(SPARSE_PREFIX)) throw sparse()
    if (key.startsWith(ATTRIBUTE_PREFIX)) attributes.set(key.slice(ATTRIBUTE_PREFIX.length), value)
  }
  const text = (key: string, former: string) => records.get(key) ?? former
  const number = (key: string, former: bigint) => {
    const value = records.get(key)
    return value === undefined ? former : decimal(value)
  }
  const mtime = records.get('mtime')
  const merged = {
    ...header,
    name: text('path', header.name),
    linkName: text('linkpath', header.linkName),
    userName: text('uname', header.userName),
    groupName: text('gname', header.groupName),
    uid: number('uid', header.uid),
    gid: number('gid', header.gid),
    size: number('size', header.size),
    mtime: mtime === undefined ? header.mtime : decimal(mtime.replace(/\.[0-9]*$/, '')),
  }
  return { header: checked(merged), attributes }
}

function decimal(text: string): bigint {
  const value = /^[+-]?[0-9]{1,19}$/.test(text) ? BigInt(text.replace('+', '')) : undefined
  if (value !== undefined && BigInt.asIntN(64, value) === value) return value
  throw new TarError('has a number in an extended header that is not decimal')
}

function checked(header: TarHeader): TarHeader {
  if (header.type === 'S') throw sparse()
  if (header.size < 0n || header.size > Number.MAX_SAFE_INTEGER)
    throw new TarError('has an entry of an impossible size')
  return header
}

function sparse(): TarError {
  return new TarError('has a sparse file, of which no TarSum is computed here')
}
