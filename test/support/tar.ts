/** Just enough of ustar (POSIX.1-1988) for the layers of test images. */

export interface TarFile {
  /** Relative, with `/` between components, at most 100 bytes. A folder's ends in `/` and has no content. */
  readonly path: string
  readonly content?: string | Uint8Array
  /** Permission bits; 0644 where absent, 0755 for a folder. */
  readonly mode?: number
}

const blockBytes = 512

/** An archive of the files, in their order. */
export function tarOf(files: readonly TarFile[]): Buffer {
  return Buffer.concat([...files.flatMap(entry), tarEnd])
}

/** The two empty blocks that end an archive. */
export const tarEnd = Buffer.alloc(2 * blockBytes)

/** The empty bytes that follow a file of that size. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes)
}

/** The block in front of a file's content; `size` in bytes. */
export function tarHeader(path: string, { size, mode }: { size: number; mode?: number }): Buffer {
  const isFolder = path.endsWith('/')
  const header = Buffer.alloc(blockBytes)
  header.write(path, 0, 100)
  header.write(octal(mode ?? (isFolder ? 0o755 : 0o644), 7), 100)
  header.write(octal(0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(octal(size, 11), 124)
  header.write(octal(0, 11), 136)
  header.write(' '.repeat(8), 148)
  header.write(isFolder ? '5' : '0', 156)
  header.write('ustar\x0000', 257)
  header.write(`${octal(checksum(header), 6)}\0 `, 148)
  return header
}

function entry({ path, content = '', mode }: TarFile): Buffer[] {
  const bytes = Buffer.from(content)
  return [
    tarHeader(path, { size: bytes.length, ...(mode !== undefined && { mode }) }),
    bytes,
    tarPadding(bytes.length),
  ]
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

function checksum(header: Buffer): number {
  return header.reduce((sum, byte) => sum + byte, 0)
}
