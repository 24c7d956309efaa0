import { readdir, stat, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { makePrivateFolder, removeFile } from './private-folder.ts'

const UNUSED_MS = 30 * 24 * 3600_000

export interface RebuildableFile {
  /** A folder that is this user's alone, below `parent`. */
  readonly folder: string
  readonly name: string
  /** Default: the folder for temporary files. */
  readonly parent?: string
}

/** The path of a file that can be made again when it is lost. From now on it counts as used.
 *  @throws Error if the folder is not this user's alone */
export async function rebuildableFile({ folder, name, parent = tmpdir() }: RebuildableFile): Promise<string> {
  const path = join(parent, `${folder}-${process.getuid?.() ?? 0}`)
  await makePrivateFolder(path)
  const now = new Date()
  await utimes(join(path, name), now, now).catch(() => undefined) // it need not exist
  return join(path, name)
}

/** Removes the files beside a file, with the same extension, that nobody has used for 30 days.
 *  @param companions what the names of files that belong to one end with in addition */
export async function removeUnusedBeside(path: string, companions: readonly string[]): Promise<void> {
  const oldest = Date.now() - UNUSED_MS
  const suffixes = ['', ...companions]
  for (const other of await readdir(dirname(path))) {
    const file = join(dirname(path), other)
    if (extname(file) !== extname(path) || file === path) continue
    if ((await lastUse(file, suffixes)) >= oldest) continue
    for (const suffix of suffixes) await removeFile(`${file}${suffix}`)
  }
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
