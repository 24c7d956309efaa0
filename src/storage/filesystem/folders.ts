import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { LRUCache } from 'lru-cache'
import { atMost } from '../../lib/at-most.ts'
import { TransientMap } from '../../lib/collections/transient.ts'
import { fsync } from './calls/descriptors.ts'
import { FileCalls } from './calls/file-calls.ts'
import { isErrno } from './errno.ts'

/** Attempts at a step whose folder other requests remove. */
export const MAX_ATTEMPTS = 16

/** Folders known to have a durable name. One that is forgotten costs an additional sync. */
const MAX_DURABLE = 20_000
/** Folders created here whose names are not durable yet. */
const MAX_MADE = 20_000

/** Identifies the folder under a name: a later folder of the same name has another identity. */
type Identity = string

interface RunningSync {
  /** Start time of the sync: it covers all folders created until then. */
  readonly begunAt: number
  done: Promise<Identity | undefined>
  next: Promise<Identity | undefined> | undefined
}

/** Creates folders and syncs them.
 *
 *  An existing folder need not be durable: another request or process may have created it and not synced it
 *  yet. So its name counts as durable only after this process has synced the folder above it. That is
 *  remembered for this folder's identity, not for a later one of the same name.
 *
 *  A sync serves all callers that ask while the previous one runs (group commit). */
export class Folders {
  readonly #calls: FileCalls
  readonly #beforeMaking: (() => Promise<void>) | undefined
  #clock = 0
  readonly #durable = new LRUCache<string, Identity>(atMost(MAX_DURABLE))
  /** Creation times of folders not known to be durable. */
  readonly #made = new LRUCache<string, number>(atMost(MAX_MADE))
  readonly #running = new TransientMap<string, RunningSync>()

  /** Creates an empty record.
   *  @param beforeMaking may reject the creation of a missing folder */
  constructor(calls = new FileCalls(), beforeMaking?: () => Promise<void>) {
    this.#calls = calls
    this.#beforeMaking = beforeMaking
  }

  /** Creates a folder and its missing parents. Not durable until `secure`.
   *  @returns false if the folder existed */
  async make(folder: string): Promise<boolean> {
    await this.#beforeMaking?.()
    return this.#make(folder)
  }

  async #make(folder: string): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#calls.mkdir(folder)
        this.#made.set(folder, ++this.#clock)
        return true
      } catch (cause) {
        if (isErrno(cause, 'EEXIST')) return false
        if (!isErrno(cause, 'ENOENT') || attempt === MAX_ATTEMPTS) throw cause
      }
      await this.#make(dirname(folder))
    }
  }

  /** Runs a step that needs the folder. If the folder is missing, creates it and retries.
   *  @param options.isProbablyNew true if it is created before the first attempt, unless it was seen before: that fails at less
   *    cost than the step */
  async within<Result>(
    folder: string,
    step: () => Promise<Result>,
    { isProbablyNew = false } = {},
  ): Promise<Result> {
    if (isProbablyNew && !this.#made.has(folder) && !this.#durable.has(folder)) await this.make(folder)
    for (let attempt = 1; ; attempt++) {
      try {
        return await step()
      } catch (cause) {
        if (!isErrno(cause, 'ENOENT') || attempt === MAX_ATTEMPTS) throw cause
      }
      await this.make(folder)
    }
  }

  /** Syncs a folder's entries, but not its own name.
   *  @returns the identity of the folder; undefined if it does not exist any more */
  sync(folder: string): Promise<Identity | undefined> {
    const running = this.#running.get(folder)
    if (running === undefined) return this.#begin(folder)
    const begin = () => this.#begin(folder)
    running.next ??= running.done.then(begin, begin)
    return running.next
  }

  /** Syncs a folder's entries, its own name and those of its parents.
   *  @param aboveNew the syncs started by `syncAboveNew` */
  async secure(folder: string, aboveNew = this.syncAboveNew(folder)): Promise<void> {
    await this.#secure(folder, aboveNew)
    await Promise.all(aboveNew.values())
  }

  /** Starts to sync the parents of a new folder and of new ones above it concurrently, before anything is written into
   *  them. */
  syncAboveNew(folder: string): ReadonlyMap<string, Promise<Identity | undefined>> {
    const syncs = new Map<string, Promise<Identity | undefined>>()
    for (let name = folder; ; ) {
      const madeAt = this.#made.get(name)
      if (madeAt === undefined) break
      name = dirname(name)
      syncs.set(name, this.#syncSince(name, madeAt))
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
    const done = this.#syncFolder(folder).finally(() => {
      if (running.next === undefined) this.#running.delete(folder)
    })
    const running: RunningSync = { begunAt: this.#clock, done, next: undefined }
    this.#running.set(folder, running)
    return done
  }

  /** Syncs a folder. One that was removed needs no sync: its entries were removed later than they were written.
   *  File systems that can't sync folders answer EINVAL or ENOTSUP, which is ignored. */
  async #syncFolder(folder: string): Promise<Identity | undefined> {
    let fd: number
    try {
      fd = await this.#calls.open(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
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
      await this.#calls.close(fd)
    }
  }
}

/** The identity of an open folder, without a disk access. An inode number alone is reused by later
 *  folders. */
function identityOf(fd: number): Identity {
  const { ino, birthtimeNs } = fs.fstatSync(fd, { bigint: true })
  return `${ino}.${birthtimeNs}`
}
