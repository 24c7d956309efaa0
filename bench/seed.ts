/** Storage in Distribution's layout that would take too long to push: folders and links, written once for all registries. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCatalog, type SeededCatalog } from './seed-catalog.ts'

/** So many repositories without content, or tags of one repository; or repositories with tagged images. */
export interface Seed {
  readonly repositories?: number
  readonly tags?: number
  readonly catalog?: SeededCatalog
}

/** The repository that has the tags. */
export const TAGGED = 'bench/tagged'

/** Registries may trust a folder only once it has not changed for a while; otherwise the first one would be slower. */
const SETTLED_MS = 2_500

const folders = new Map<string, string>()
process.on('exit', () => {
  for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
})

/** The root folder of storage with this content. It is not to be written to. */
export function seededFolder(seed: Seed): string {
  const key = JSON.stringify(seed)
  let folder = folders.get(key)
  if (folder === undefined) {
    folder = mkdtempSync(join(tmpdir(), 'entrepot-bench-seed-'))
    folders.set(key, folder)
    const repositories = join(folder, 'docker/registry/v2/repositories')
    for (let index = 0; index < (seed.repositories ?? 0); index++) {
      makeRepository(join(repositories, `team-${index % 200}/app-${index}`))
    }
    if (seed.catalog !== undefined) makeCatalog(folder, seed.catalog)
    if (seed.tags !== undefined) makeTags(join(repositories, TAGGED), seed.tags)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETTLED_MS)
  }
  return folder
}

function makeRepository(folder: string): void {
  mkdirSync(join(folder, '_layers'), { recursive: true })
  mkdirSync(join(folder, '_manifests/tags'), { recursive: true })
}

function makeTags(repository: string, count: number): void {
  makeRepository(repository)
  const hex = createHash('sha256').update('a manifest').digest('hex')
  for (let index = 0; index < count; index++) {
    const folder = join(repository, `_manifests/tags/v${String(index).padStart(6, '0')}/current`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'link'), `sha256:${hex}`)
  }
}
