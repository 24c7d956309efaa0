import * as fs from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { close, fsync, open } from './descriptors.ts'
import { isErrno } from './errno.ts'

/** How often a step is begun again when another request removes the folder under it. */
export const MAX_ATTEMPTS = 16

interface Change {
  /** When the last folder in it was made, by the clock that this advances. */
  at: number
  /** How many folders are being made at this moment. */
  underWay: number
}

interface RunningSync {
  /** What the clock showed when it began: it covers all changes up to then. */
  readonly begunAt: number
  done: Promise<void>
  next: Promise<void> | undefined
}

/** Makes folders and syncs them. Nothing is remembered of which folders exist; what is remembered is which ones got a
 *  new folder that no sync has covered yet, so that whoever finds that folder standing does not take it for durable.
 *
 *  A sync serves all who ask while the one before it runs (group commit). */
export class Folders {
  #clock = 0
  readonly #changes = new Map<string, Change>()
  readonly #running = new Map<string, RunningSync>()

  /** Makes a folder and those above it, where they are missing. Not durable until `settle`. */
  async make(folder: string): Promise<void> {
    const change = this.#beginChange(dirname(folder))
    try {
      await this.#makeOne(folder)
    } finally {
      change.underWay--
      change.at = ++this.#clock
    }
  }

  /** Runs a step that needs the folder; when it is not there, makes it and begins again. */
  async within<Result>(folder: string, step: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await step()
      } catch (cause) {
        if (!isErrno(cause, 'ENOENT') || attempt === MAX_ATTEMPTS) throw cause
      }
      await this.make(folder)
    }
  }

  /** Makes what happened in the folder until now survive a power cut. */
  sync(folder: string): Promise<void> {
    const running = this.#running.get(folder)
    if (running === undefined) return this.#begin(folder)
    const begin = () => this.#begin(folder)
    running.next ??= running.done.then(begin, begin)
    return running.next
  }

  /** Makes the folder's own name, and those of the folders above it, survive a power cut. */
  async settle(folder: string): Promise<void> {
    const syncs: Promise<void>[] = []
    for (let name = folder; this.#changes.size > 0; ) {
      const parent = dirname(name)
      const change = this.#changes.get(parent)
      if (change !== undefined) syncs.push(this.#syncSince(parent, change))
      if (parent === name) break
      name = parent
    }
    await Promise.all(syncs)
  }

  /** Noted before the folder is made: another request may find it standing before this one hears that it is made. */
  #beginChange(parent: string): Change {
    const change = this.#changes.get(parent) ?? { at: 0, underWay: 0 }
    change.underWay++
    this.#changes.set(parent, change)
    return change
  }

  async #makeOne(folder: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await mkdir(folder)
      } catch (cause) {
        if (isErrno(cause, 'EEXIST')) return
        if (!isErrno(cause, 'ENOENT') || attempt === MAX_ATTEMPTS) throw cause
      }
      await this.make(dirname(folder))
    }
  }

  #syncSince(folder: string, change: Change): Promise<void> {
    const running = this.#running.get(folder)
    const covered = running !== undefined && change.underWay === 0 && running.begunAt >= change.at
    return covered ? running.done : this.sync(folder)
  }

  #begin(folder: string): Promise<void> {
    const done = this.#syncNow(folder).finally(() => {
      if (running.next === undefined) this.#running.delete(folder)
    })
    const running: RunningSync = { begunAt: this.#clock, done, next: undefined }
    this.#running.set(folder, running)
    return done
  }

  async #syncNow(folder: string): Promise<void> {
    const begunAt = this.#clock
    await syncFolder(folder)
    const change = this.#changes.get(folder)
    if (change?.underWay === 0 && change.at <= begunAt) this.#changes.delete(folder)
  }
}

/** A folder that is gone needs no sync: what stood in it was removed later than it was written. File systems that
 *  cannot sync a folder say EINVAL or ENOTSUP, and there is nothing better to be had from them. */
async function syncFolder(folder: string): Promise<void> {
  let fd: number
  try {
    fd = await open(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return
    throw cause
  }
  try {
    await fsync(fd)
  } catch (cause) {
    if (!isErrno(cause, 'EINVAL', 'ENOTSUP')) throw cause
  } finally {
    await close(fd)
  }
}
