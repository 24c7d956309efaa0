/** Reads a registry's storage from disk, past the registry. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** Root of the layout, below a driver's root. */
export const layoutRoot = 'docker/registry/v2'

/** Every file below a folder: paths relative to it, with `/`, in byte order. Folders that are empty, or not there because
 *  nothing was written yet, count for nothing: the layout gives them no meaning. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(nothingYet)
  const files = entries.filter((entry) => entry.isFile())
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort()
}

function nothingYet(error: NodeJS.ErrnoException): [] {
  if (error.code === 'ENOENT') return []
  throw error
}

/** A link's text; for any other file the hex SHA-256 of its bytes. */
export async function contentMark(path: string): Promise<string> {
  if (path.endsWith('/link')) return readFile(path, 'utf8')
  return fileDigest(path, 'sha256')
}

export async function fileDigest(path: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm)
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
