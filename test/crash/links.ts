/** Walks the storage on disk, while no registry runs: nothing may point at what is not there. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { eachInTurns } from '../support/in-turns.ts'
import { fileDigest, filesBelow, layoutRoot } from '../support/storage-tree.ts'

const blobFile = /^blobs\/(?<algorithm>[a-z0-9]+)\/[0-9a-f]{2}\/(?<hex>[0-9a-f]+)\/data$/
const tagLink = /^(?<repository>repositories\/.+)\/_manifests\/tags\/[^/]+\/current\/link$/

export class LinkCheck {
  readonly #root: string
  readonly #hashed = new Set<string>()

  constructor(dataFolder: string) {
    this.#root = join(dataFolder, layoutRoot)
  }

  /** Each link names a blob that is there, each tag a revision of its repository, and each blob's bytes have the digest
   *  of its name. Bytes that were checked before are not read again. */
  async expectSound(): Promise<void> {
    const paths = await filesBelow(this.#root)
    const present = new Set(paths)
    const links = paths.filter((name) => name.endsWith('/link'))
    await eachInTurns(links, (path) => this.#expectLinked(path, present))
    const blobs = paths.filter((name) => blobFile.test(name))
    await eachInTurns(blobs, (path) => this.#expectHash(path))
  }

  /** Forgets which bytes were checked. */
  readAgain(): void {
    this.#hashed.clear()
  }

  async #expectLinked(path: string, present: ReadonlySet<string>): Promise<void> {
    const digest = await readFile(join(this.#root, path), 'utf8')
    const [algorithm, hex = ''] = digest.split(':')
    expect(present.has(`blobs/${algorithm}/${hex.slice(0, 2)}/${hex}/data`), `${path} → ${digest}`).toBe(true)
    const repository = tagLink.exec(path)?.groups?.repository
    if (repository === undefined) return
    const revision = `${repository}/_manifests/revisions/${algorithm}/${hex}/link`
    expect(present.has(revision), `${path} → ${revision}`).toBe(true)
  }

  async #expectHash(path: string): Promise<void> {
    if (this.#hashed.has(path)) return
    const { algorithm = '', hex } = blobFile.exec(path)?.groups ?? {}
    const file = join(this.#root, path)
    expect(await fileDigest(file, algorithm), `${path}, ${(await stat(file)).size} bytes`).toBe(hex)
    this.#hashed.add(path)
  }
}
