import * as fs from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LRUCache } from 'lru-cache'
import { close, fsync, open } from './descriptors.ts'
import { isErrno } from './errno.ts'

/** How often a step is begun again when another request removes the folder under it. */
export const MAX_ATTEMPTS = 16

/** How many folders are known to have a durable name. One that is forgotten costs a sync more. */
const MAX_DURABLE = 20_000
/** How many folders are known that were made here and have no durable name yet. */
const MAX_MADE = 20_000

/** Which folder stands under a name: another one that is made there later has another identity. */
type Identity = string

interface RunningSync {
  /** What the clock showed when it began: it covers all folders that were made up to then. */
  readonly begunAt: number
  done: Promise<Identity | undefined>
  next: Promise<Identity | undefined> | undefined
}

/** Makes folders and syncs them.
 *
 *  A folder that stands need not be durable: another request or another process may have made it and not synced it yet,
 *  or ended before it could. So its name counts as durable only when this process has synced the folder above it since it
 *  saw it standing; that is remembered for this very folder, and not for another one that is made in its place.
 *
 *  A sync serves all who ask while the one before it runs (group commit). */
export class Folders {
  readonly #beforeMaking: (() => Promise<void>) | undefined
  #clock = 0
  readonly #durable = new LRUCache<string, Identity>({ max: MAX_DURABLE })
  /** When those were made that are not known to be durable. */
  readonly #made = new LRUCache<string, number>({ max: MAX_MADE })
  readonly #running = new Map<string, RunningSync>()

  /** @param beforeMaking may refuse that a missing folder is made */
  constructor(beforeMaking?: () => Promise<void>) {
    this.#beforeMaking = beforeMaking
  }

  /** Makes a folder and those above it, where they are missing. Not durable until `secure`. */
  async make(folder: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await mkdir(folder)
        this.#made.set(folder, ++this.#clock)
        return
      } catch (cause) {
        if (isErrno(cause, 'EEXIST')) return
        if (!isErrno(cause, 'ENOENT') || attempt === MAX_ATTEMPTS) throw cause
      }
      await this.make(dirname(folder))
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
      await this.#beforeMaking?.()
      await this.make(folder)
    }
  }

  /** Makes what happened in the folder until now survive a power cut, but not the folder's own name.
   *  @returns which folder it was; undefined when it is gone */
  sync(folder: string): Promise<Identity | undefined> {
    const running = this.#running.get(folder)
    if (running === undefined) return this.#begin(folder)
    const begin = () => this.#begin(folder)
    running.next ??= running.done.then(begin, begin)
    return running.next
  }

  /** Makes what happened in the folder until now survive a power cut, with its own name and those of the folders above.
   *  @param aboveNew what `syncAboveNew` has begun */
  async secure(folder: string, aboveNew = this.syncAboveNew(folder)): Promise<void> {
    await this.#secure(folder, aboveNew)
    await Promise.all(aboveNew.values())
  }

  /** Begins to sync the folders above those that were made here, side by side and before anything is put into them. */
  syncAboveNew(folder: string): ReadonlyMap<string, Promise<Identity | undefined>> {
    const syncs = new Map<string, Promise<Identity | undefined>>()
    for (let name = folder; this.#made.size > 0; ) {
      const parent = dirname(name)
      const madeAt = this.#made.get(name)
      if (madeAt !== undefined) syncs.set(parent, this.#syncSince(parent, madeAt))
      if (parent === name) break
      name = parent
    }
    for (const done of syncs.values()) done.catch(() => undefined) // it is waited for later
    return syncs
  }

  async #secure(folder: string, aboveNew: ReadonlyMap<string, Promise<Identity | undefined>>): Promise<void> {
    const madeAt = this.#made.get(folder)
    const identity = await (aboveNew.get(folder) ?? this.sync(folder))
    const parent = dirname(folder)
    if (identity === undefined || parent === folder || this.#durable.get(folder) === identity) return
    await this.#secure(parent, aboveNew)
    this.#durable.set(folder, identity)
    if (this.#made.get(folder) === madeAt) this.#made.delete(folder)
  }

  #syncSince(folder: string, madeAt: number): Promise<Identity | undefined> {
    const running = this.#running.get(folder)
    return running !== undefined && running.begunAt >= madeAt ? running.done : this.sync(folder)
  }

  #begin(folder: string): Promise<Identity | undefined> {
    const done = syncFolder(folder).finally(() => {
      if (running.next === undefined) this.#running.delete(folder)
    })
    const running: RunningSync = { begunAt: this.#clock, done, next: undefined }
    this.#running.set(folder, running)
    return done
  }
}

/** A folder that is gone needs no sync: what stood in it was removed later than it was written. File systems that
 *  cannot sync a folder say EINVAL or ENOTSUP, and there is nothing better to be had from them. */
async function syncFolder(folder: string): Promise<Identity | undefined> {
  let fd: number
  try {
    fd = await open(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return undefined
    throw cause
  }
  try {
    await fsync(fd)
    return identityOf(fd)
  } catch (cause) {
    if (!isErrno(cause, 'EINVAL', 'ENOTSUP')) throw cause
    return identityOf(fd)
  } finally {
    await close(fd)
  }
}

/** Of an open folder, which costs no trip to the disk. A number of an inode alone is given to another folder later. */
function identityOf(fd: number): Identity {
  const { ino, birthtimeNs } = fs.fstatSync(fd, { bigint: true })
  return `${ino}.${birthtimeNs}`
}
