import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { ftruncate } from './calls/descriptors.ts'
import type { FileCalls } from './calls/file-calls.ts'

/** Prefix of folders that are set aside, most of them to be removed. No path can contain it. */
export const ASIDE = '~removed.'

/** Limit of spare folders: more uploads are seldom finished before the next ones begin. */
const MAX_SPARE = 8

/** A folder with one small file in it. */
interface Spare {
  readonly folder: string
  readonly name: string
}

/** Folders of one small file that were removed, kept for the next ones of that kind: two renames cost a third of making a
 *  folder and a file and removing them, on file systems that avoid the places of what was removed lately.
 *
 *  They stand where folders to be removed are set aside, so those of a process that has ended are removed with these. Another process
 *  may remove them at any time, or have created a file in one just when it was set aside: that counts as another writer's. */
export class SpareFolders {
  readonly #root: string
  readonly #calls: FileCalls
  readonly #spares: Spare[] = []

  /** @param root without a slash at its end */
  constructor(root: string, calls: FileCalls) {
    this.#root = root
    this.#calls = calls
  }

  /** Takes a folder out of its place, to be kept or removed.
   *  @param files the file that is kept, and others that are removed if they exist
   *  @returns its new place if it must be removed; undefined if it is kept
   *  @throws errors of the system */
  async keep(folder: string, [name = '', ...others]: readonly string[]): Promise<string | undefined> {
    const aside = `${this.#root}/${ASIDE}${randomUUID()}`
    await this.#calls.rename(folder, aside)
    if (this.#spares.length >= MAX_SPARE) return aside
    const names = await this.#calls.readdir(aside)
    const rest = names.filter((one) => one !== name)
    if (rest.length === names.length || !rest.every((one) => others.includes(one))) return aside
    for (const one of rest) await this.#calls.unlink(`${aside}/${one}`)
    if (this.#spares.length >= MAX_SPARE) return aside
    this.#spares.push({ folder: aside, name })
    return undefined
  }

  /** Makes a spare folder the folder with this file.
   *  @returns false if there is none; then nothing is changed
   *  @throws errors of the system; then the folder may have the file with its former content */
  async take(folder: string, name: string, content: Uint8Array): Promise<boolean> {
    const index = this.#spares.findLastIndex((one) => one.name === name)
    const [spare] = index < 0 ? [] : this.#spares.splice(index, 1)
    if (spare === undefined) return false
    try {
      await this.#calls.rename(spare.folder, folder)
    } catch {
      // Another process has removed it, or the folder above is missing.
      const isThere = await this.#calls.stat(spare.folder).then(
        () => true,
        () => false,
      )
      if (isThere) this.#spares.push(spare)
      return false
    }
    const fd = await this.#calls.open(`${folder}/${name}`, constants.O_WRONLY | constants.O_CREAT)
    try {
      if ((await this.#calls.fstat(fd)).size > content.byteLength) await ftruncate(fd, content.byteLength)
      await this.#calls.write(fd, [content], 0)
    } finally {
      await this.#calls.close(fd)
    }
    return true
  }

  /** Those that are kept, which are not any more. */
  takeAll(): string[] {
    return this.#spares.splice(0).map(({ folder }) => folder)
  }
}
