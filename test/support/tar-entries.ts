/** Tar archives, header by header: any part can be made wrong. */

const BLOCK_BYTES = 512

export interface TarParts {
  readonly name: string
  readonly content?: string
  /** Default: `0`, a regular file. */
  readonly type?: string
  readonly link?: string
  readonly mode?: number
  readonly uid?: number
  readonly mtime?: number
  readonly user?: string
  readonly device?: readonly [major: number, minor: number]
  readonly prefix?: string
  /** Default: POSIX. */
  readonly magic?: string
  /** Replaces what the header says of the size. */
  readonly size?: string
}

/** An entry with its header and padding. */
export function tarEntry({ name, content = '', ...parts }: TarParts): Buffer {
  const bytes = Buffer.from(content)
  const header = Buffer.alloc(BLOCK_BYTES)
  const octal = (number: number, digits: number) => `${number.toString(8).padStart(digits, '0')}\0`
  const [major, minor] = parts.device ?? [0, 0]
  header.write(name, 0)
  header.write(octal(parts.mode ?? 0o644, 7), 100)
  header.write(octal(parts.uid ?? 0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(parts.size ?? octal(bytes.length, 11), 124, 'latin1')
  header.write(octal(parts.mtime ?? 0, 11), 136)
  header.write(' '.repeat(8), 148)
  header.write(parts.type ?? '0', 156)
  header.write(parts.link ?? '', 157)
  header.write(parts.magic ?? 'ustar\x0000', 257)
  header.write(parts.user ?? '', 265)
  header.write(octal(major, 7), 329)
  header.write(octal(minor, 7), 337)
  header.write(parts.prefix ?? '', 345)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(octal(sum, 6), 148)
  return Buffer.concat([header, padded(bytes)])
}

/** An extended header, about the entry behind it. */
export function paxEntry(records: Readonly<Record<string, string>>): Buffer {
  const content = Object.entries(records).map(([key, value]) => paxRecord(key, value))
  return tarEntry({ name: 'pax', type: 'x', content: content.join('') })
}

/** GNU's header for a name of any length. */
export function longNameEntry(name: string): Buffer {
  return tarEntry({ name: '././@LongLink', type: 'L', content: `${name}\0`, magic: 'ustar  \0' })
}

export function tarOf(...entries: readonly Buffer[]): Buffer {
  return Buffer.concat([...entries, Buffer.alloc(2 * BLOCK_BYTES)])
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = Buffer.byteLength(rest)
  while (Buffer.byteLength(`${length}${rest}`) !== length) length = Buffer.byteLength(`${length}${rest}`)
  return `${length}${rest}`
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((BLOCK_BYTES - (bytes.length % BLOCK_BYTES)) % BLOCK_BYTES)])
}
