/** Headers of tar archives. POSIX.1-1988 "ustar", POSIX.1-2001 "pax", GNU and star; numbers as octal digits or,
 *  above their range, in GNU's base 256. Texts are byte strings: each character is one byte (latin1). */

export const BLOCK_BYTES = 512

/** The archive is malformed, or beyond a limit. The message is a predicate, such as "is cut off". */
export class TarError extends Error {
  override readonly name = 'TarError'
}

export interface TarHeader {
  /** With the prefix, if there is one. */
  readonly name: string
  readonly mode: bigint
  readonly uid: bigint
  readonly gid: bigint
  /** In bytes, as the header states it: it may be negative. */
  readonly size: bigint
  /** In seconds since 1970. */
  readonly mtime: bigint
  /** One byte, such as `0` for a regular file. */
  readonly type: string
  readonly linkName: string
  readonly userName: string
  readonly groupName: string
  /** 0 unless the entry is a device. */
  readonly devMajor: bigint
  readonly devMinor: bigint
}

export function isZeroBlock(block: Buffer): boolean {
  return block.equals(ZERO_BLOCK)
}

const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES)

/** @param block of 512 bytes
 *  @throws TarError if it is no header */
export function parseTarHeader(block: Buffer): TarHeader {
  requireChecksum(block)
  const name = textAt(block, 0, 100)
  const type = block.toString('latin1', 156, 157)
  const isDevice = type === '3' || type === '4'
  const prefix = isExtended(block) ? textAt(block, 345, isStar(block) ? 131 : 155) : ''
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: numberAt(block, 100, 8),
    uid: numberAt(block, 108, 8),
    gid: numberAt(block, 116, 8),
    size: numberAt(block, 124, 12),
    mtime: numberAt(block, 136, 12),
    type,
    linkName: textAt(block, 157, 100),
    userName: isExtended(block) ? textAt(block, 265, 32) : '',
    groupName: isExtended(block) ? textAt(block, 297, 32) : '',
    devMajor: isDevice && isExtended(block) ? numberAt(block, 329, 8) : 0n,
    devMinor: isDevice && isExtended(block) ? numberAt(block, 337, 8) : 0n,
  }
}

/** False for the headers of Unix Version 7, which end with the name of the link. */
function isExtended(block: Buffer): boolean {
  const magic = block.toString('latin1', 257, 265)
  return magic.startsWith('ustar\0') || magic === 'ustar  \0'
}

function isStar(block: Buffer): boolean {
  return block.toString('latin1', 257, 263) === 'ustar\0' && block.toString('latin1', 508, 512) === 'tar\0'
}

/** The sum of all bytes, where those of the sum count as blanks. Some writers take bytes as signed. */
function requireChecksum(block: Buffer): void {
  let unsigned = 8 * 0x20
  let signed = unsigned
  for (const [at, byte] of block.entries()) {
    if (at >= 148 && at < 156) continue
    unsigned += byte
    signed += (byte << 24) >> 24
  }
  const stated = findNumber(block, 148, 8)
  if (stated !== BigInt(unsigned) && stated !== BigInt(signed))
    throw new TarError('is no tar archive, or has a damaged header')
}

function textAt(block: Buffer, at: number, length: number): string {
  return untilZero(block.toString('latin1', at, at + length))
}

/** A text that ends before its first zero byte. */
export function untilZero(text: string): string {
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}

/** @throws TarError */
function numberAt(block: Buffer, at: number, length: number): bigint {
  const number = findNumber(block, at, length)
  if (number === undefined) throw new TarError('has a header with a number that is not octal')
  return number
}

/** A number of 64 bits, signed; 0 for an empty field. Undefined if it is malformed. */
function findNumber(block: Buffer, at: number, length: number): bigint | undefined {
  if (((block[at] ?? 0) & 0x80) !== 0) return base256(block.subarray(at, at + length))
  const digits = untilZero(block.toString('latin1', at, at + length).replace(/^[ \0]+|[ \0]+$/g, ''))
  if (digits === '') return 0n
  return /^[0-7]+$/.test(digits) ? BigInt(`0o${digits}`) : undefined
}

/** The highest bit only tells that the number is in this format. */
function base256(field: Buffer): bigint {
  const bytes = Buffer.from(field)
  bytes[0] = (bytes[0] ?? 0) & 0x7f
  return BigInt.asIntN(64, BigInt(`0x${bytes.toString('hex')}`))
}
