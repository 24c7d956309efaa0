import * as fs from 'node:fs'
import { promisify } from 'node:util'

/** File descriptors with promises. Plain numbers instead of `FileHandle`s, so that a read costs one trip to
 *  the thread pool. The caller must close them. */

/** Reads a small file with one trip to the thread pool; `open`, `fstat`, `read` and `close` would be four. */
export const readFile = promisify(fs.readFile) as (path: string) => Promise<Buffer>

/** Reads the beginning of a file synchronously, without blocking on pipes.
 *  @returns fewer bytes than `maxBytes` only if the file is shorter */
export function readBeginning(path: string, maxBytes: number): Buffer {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  try {
    const buffer = Buffer.allocUnsafe(maxBytes)
    return buffer.subarray(0, fs.readSync(fd, buffer, 0, maxBytes, 0))
  } finally {
    fs.closeSync(fd)
  }
}

/** What a file is, and its content if it is a plain one of at most `maxBytes`; synchronously. No `stats` if it is
 *  missing. */
export function readWithStats(
  path: string,
  maxBytes: number,
): { stats?: fs.Stats | undefined; content?: Buffer | undefined } {
  let fd: number
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  } catch {
    return { stats: fs.statSync(path, { throwIfNoEntry: false }) }
  }
  try {
    const stats = fs.fstatSync(fd)
    if (!stats.isFile() || stats.size > maxBytes) return { stats }
    const buffer = Buffer.allocUnsafe(stats.size)
    const length = stats.size === 0 ? 0 : fs.readSync(fd, buffer, 0, stats.size, 0)
    return { stats, content: length === stats.size ? buffer : undefined }
  } finally {
    fs.closeSync(fd)
  }
}

export const open = promisify(fs.open)
export const close = promisify(fs.close)
export const fstat = promisify(fs.fstat) as (fd: number) => Promise<fs.Stats>
export const fsync = promisify(fs.fsync)
export const fdatasync = promisify(fs.fdatasync)
export const ftruncate = promisify(fs.ftruncate)

/** Fills the buffer with the file's bytes from `position`. Returns fewer than `length` only at the end of the
 *  file. */
export async function readFully(
  fd: number,
  { buffer, length, position }: { buffer: Buffer; length: number; position: number },
): Promise<number> {
  let filled = await readOnce(fd, { buffer, offset: 0, length, position })
  while (filled < length) {
    const more = await readOnce(fd, {
      buffer,
      offset: filled,
      length: length - filled,
      position: position + filled,
    })
    if (more === 0) break
    filled += more
  }
  return filled
}

/** Writes all the chunks in order from `position`, also if the system takes only parts. */
export async function writeFully(fd: number, chunks: Uint8Array[], position: number): Promise<void> {
  let rest = chunks
  let offset = position
  while (rest.length > 0) {
    const written = await writeOnce(fd, rest, offset)
    if (written === 0) throw new Error('the system wrote nothing and reported no error')
    rest = withoutFront(rest, written)
    offset += written
  }
}

/** The chunks without their first bytes. */
export function withoutFront(chunks: Uint8Array[], byteCount: number): Uint8Array[] {
  let skipped = byteCount
  for (const [index, chunk] of chunks.entries()) {
    if (skipped < chunk.byteLength) return [chunk.subarray(skipped), ...chunks.slice(index + 1)]
    skipped -= chunk.byteLength
  }
  return []
}

function readOnce(
  fd: number,
  { buffer, offset, length, position }: { buffer: Buffer; offset: number; length: number; position: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, offset, length, position, (error, bytesRead) => {
      if (error === null) resolve(bytesRead)
      else reject(error)
    })
  })
}

function writeOnce(fd: number, chunks: Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(fd, chunks, position, (error, bytesWritten) => {
      if (error === null) resolve(bytesWritten)
      else reject(error)
    })
  })
}
