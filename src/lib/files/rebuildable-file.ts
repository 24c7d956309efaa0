import { readdir, stat, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { makePrivateFolder, removeFile } from './private-folder.ts'

const UNUSED_MS = 30 * 24 * 3600_000

export interface RebuildableFile {
  /** A folder that is this user's alone, below `parent`. */
  readonly folder: string
  readonly name: string
  /** What the names of files that belong to it end with in addition. */
  readonly companions?: readonly string[]
  /** Default: the folder for temporary files. */
  readonly parent?: string
}

/** The path of a file that can be made again when it is lost. Files beside it, with the same extension, that nobody has
 *  used for 30 days are removed.
 *  @throws Error if the folder is not this user's alone */
export async function rebuildableFile({
  folder,
  name,
  companions = [],
  parent = tmpdir(),
}: RebuildableFile): Promise<string> {
  const path = join(parent, `${folder}-${process.getuid?.() ?? 0}`)
  await makePrivateFolder(path)
  const now = new Date()
  await utimes(join(path, name), now, now).catch(() => undefined) // it need not exist
  const suffixes = ['', ...companions]
  for (const other of await readdir(path)) {
    const file = join(path, other)
    if (extname(other) !== extname(name)) continue
    if ((await lastUse(file, suffixes)) >= now.getTime() - UNUSED_MS) continue
    for (const suffix of suffixes) await removeFile(`${file}${suffix}`)
  }
  return join(path, name)
}

/** Milliseconds since 1970. */
async function lastUse(file: string, suffixes: readonly string[]): Promise<number> {
  const times = suffixes.map((suffix) =>
    stat(`${file}${suffix}`).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    ),
  )
  return Math.max(...(await Promise.all(times)))
}
