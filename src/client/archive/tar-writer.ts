/** Writes tar archives. POSIX.1-1988, "ustar": names of at most 100 bytes, which is enough for layouts. */

const BLOCK_BYTES = 512
/** What the field of the size has room for: 11 octal digits. */
const MAX_OCTAL_SIZE = 8 ** 11 - 1

/** The two empty blocks at the end. */
export const TAR_END = Buffer.alloc(2 * BLOCK_BYTES)

/** The block before a file's bytes. The same for the same name and size.
 *  @param size in bytes */
export function tarHeader(path: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES)
  header.write(path, 0, 100)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  if (size <= MAX_OCTAL_SIZE) header.write(size.toString(8).padStart(11, '0'), 124)
  else {
    header[124] = 0x80
    header.writeBigUInt64BE(BigInt(size), 128)
  }
  header.write('00000000000\0', 136)
  header.write(' '.repeat(8), 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

/** The empty bytes after a file. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES)
}
