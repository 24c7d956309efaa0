import * as fs from 'node:fs'
import { promisify } from 'node:util'

/** File descriptors as promises. Plain numbers instead of `FileHandle`s: a read is then one trip to the thread pool and
 *  nothing else. Whoever opens one closes it. */

/** A small file, whole: with all that belongs to it one trip to the thread pool, where `open`, `fstat`, `read` and `close`
 *  are four. */
export const readFile = promisify(fs.readFile) as (path: string) => Promise<Buffer>

/** The beginning of a file, read at once on this thread: never waits for a pipe.
 *  @returns fewer bytes than `maxBytes` only for a whole file */
export function readBeginning(path: string, maxBytes: number): Buffer {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  try {
    const buffer = Buffer.allocUnsafe(maxBytes)
    return buffer.subarray(0, fs.readSync(fd, buffer, 0, maxBytes, 0))
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

/** Fills the front of the buffer with the file's bytes from `position` on. Fewer than `length` come back only where the
 *  file ends. */
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

/** Writes all the chunks in order from `position` on, however often the system takes only a part. */
export async function writeFully(fd: number, chunks: Uint8Array[], position: number): Promise<void> {
  let rest = chunks
  let offset = position
  while (rest.length > 0) {
    const written = await writeOnce(fd, rest, offset)
    if (written === 0) throw new Error('the system wrote nothing and gave no reason')
    rest = withoutFront(rest, written)
    offset += written
  }
}

function withoutFront(chunks: Uint8Array[], byteCount: number): Uint8Array[] {
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
