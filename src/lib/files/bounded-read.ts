import { closeSync, constants, openSync, readSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'

/** Reads at most `maxBytes` of a file, also of one without end, such as a device.
 *  @throws NodeJS.ErrnoException, EFBIG if it is longer */
export function readTextSync(path: string, maxBytes: number): string {
  const descriptor = openSync(path, 'r')
  try {
    const bytes = Buffer.allocUnsafe(maxBytes + 1)
    let length = 0
    for (let read = -1; read !== 0 && length <= maxBytes; length += read) {
      read = readSync(descriptor, bytes, length, bytes.length - length, null)
    }
    if (length > maxBytes) throw tooLarge(path, maxBytes)
    return bytes.toString('utf8', 0, length)
  } finally {
    closeSync(descriptor)
  }
}

/** A snapshot of a file, or the error that prevented reading it. */
export interface Look {
  /** Differs whenever the file has changed, also if it was replaced within a tick of the clock. */
  readonly stamp: string
  readonly content: Buffer | NodeJS.ErrnoException
}

/** Reads at most `maxBytes` of a file without blocking on pipes. Never rejects. */
export async function lookAt(path: string, maxBytes: number): Promise<Look> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stats = await file.stat({ bigint: true })
    const stamp = stampOf(stats)
    if (stats.isDirectory()) return { stamp, content: withCode('EISDIR', `${path} is a folder`) }
    if (!stats.isFile()) return { stamp, content: withCode('EINVAL', `${path} is no file`) }
    if (stats.size > maxBytes) return { stamp, content: tooLarge(path, maxBytes) }
    const bytes = Buffer.allocUnsafe(Number(stats.size))
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = (await file.read(bytes, length)).bytesRead
    }
    return { stamp, content: bytes.subarray(0, length) }
  } catch (error) {
    return { stamp: stampOfError(error), content: error as NodeJS.ErrnoException }
  }
}

/** The stamp of a file, without reading it. Never rejects. */
export async function stampAt(path: string): Promise<string> {
  try {
    return stampOf(await stat(path, { bigint: true }))
  } catch (error) {
    return stampOfError(error)
  }
}

interface Stamped {
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

function stampOf({ ino, size, mtimeNs, ctimeNs }: Stamped): string {
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
}

function stampOfError(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code)
}

function tooLarge(path: string, maxBytes: number): NodeJS.ErrnoException {
  return withCode('EFBIG', `${path} has more than ${maxBytes / 1024} KiB`)
}

function withCode(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code })
}
