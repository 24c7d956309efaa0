import { chmod, chown, mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { newMark, pidOf, stateOf } from '../process-identity.ts'

export interface FileLockOptions {
  /** Time limit for waiting. Default: 30 s. */
  readonly timeoutMs?: number
  /** Time after which a holder on another machine or in another container, whose process can't be checked,
   *  counts as gone. Default: 20 s; a change takes milliseconds. */
  readonly strangerMs?: number
}

export interface HeldLock {
  /** Must be called right before a change becomes visible.
   *  @throws Error if the lock was taken away, because this process was suspended for too long */
  confirm(): Promise<void>
}

const TIMEOUT_MS = 30_000
const STRANGER_MS = 20_000
const RETRY_MS = 20

/** Runs work while no other process uses a file.
 *
 *  The lock is the folder `<path>.lock`, with a file in it that is named by the holder's mark. It is created
 *  elsewhere and renamed into place, which fails while the existing folder is not empty. The file of a dead
 *  holder is removed by its unique name, so a lock taken just now is never removed by mistake, however many
 *  processes find the dead holder at once.
 *
 *  @throws Error if others hold it for longer than `timeoutMs`, or the lock can't be created; errors of
 *    `work` */
export async function withFileLock<T>(
  path: string,
  work: (lock: HeldLock) => Promise<T>,
  { timeoutMs = TIMEOUT_MS, strangerMs = STRANGER_MS }: FileLockOptions = {},
): Promise<T> {
  const folder = `${path}.lock`
  const mark = await acquire(path, { timeoutMs, holders: new Holders(folder, strangerMs) })
  const own = join(folder, mark)
  try {
    await removeStaleFiles(path)
    return await work({ confirm: () => confirm(path, own) })
  } finally {
    await rm(own, { force: true })
    // The next holder's file may be in it already.
    await rmdir(folder).catch(ignore('ENOENT', 'ENOTEMPTY', 'EEXIST'))
  }
}

interface Waiting {
  readonly timeoutMs: number
  readonly holders: Holders
}

async function acquire(path: string, { timeoutMs, holders }: Waiting): Promise<string> {
  const mark = newMark()
  const prepared = `${holders.folder}.${mark}`
  const deadline = performance.now() + timeoutMs
  try {
    await prepare(prepared, mark)
    while (!(await isRenamed(prepared, holders.folder))) {
      await holders.removeGone()
      if (performance.now() > deadline) throw new Error(tooLong(path, { timeoutMs, holders }))
      await delay(RETRY_MS * Math.random())
    }
    return mark
  } catch (error) {
    await rm(prepared, { recursive: true, force: true })
    throw error
  }
}

/** Creates the lock folder with the permissions of its parent, so that the users who may create locks may
 *  also remove those of dead processes. */
async function prepare(folder: string, mark: string): Promise<void> {
  const { uid, gid, mode } = await stat(dirname(folder))
  await mkdir(folder)
  await writeFile(join(folder, mark), '', { flag: 'wx' })
  await chmod(folder, mode & 0o777)
  if (process.getuid?.() === 0) await chown(folder, uid, gid)
}

/** False if the lock is held. */
async function isRenamed(prepared: string, folder: string): Promise<boolean> {
  try {
    await rename(prepared, folder)
    return true
  } catch (error) {
    ignore('ENOTEMPTY', 'EEXIST')(error)
    return false
  }
}

/** The observed holders of the lock, and since when. */
class Holders {
  readonly folder: string
  readonly #strangerMs: number
  #since = new Map<string, number>()

  constructor(folder: string, strangerMs: number) {
    this.folder = folder
    this.#strangerMs = strangerMs
  }

  get pids(): readonly number[] {
    return [...this.#since.keys()].flatMap((mark) => pidOf(mark) ?? [])
  }

  async removeGone(): Promise<void> {
    const present = await readdir(this.folder).catch(ignore('ENOENT'))
    const now = performance.now()
    this.#since = new Map(present?.map((mark) => [mark, this.#since.get(mark) ?? now]))
    for (const [mark, since] of this.#since) {
      const state = stateOf(mark)
      const isGone = state === 'gone' || (state === 'unknown' && now - since > this.#strangerMs)
      if (isGone) await rm(join(this.folder, mark), { force: true })
    }
  }
}

async function confirm(path: string, own: string): Promise<void> {
  try {
    await stat(own)
  } catch (cause) {
    throw new Error(`${path}: another process has taken over the lock; nothing was changed`, { cause })
  }
}

function tooLong(path: string, { timeoutMs, holders }: Waiting): string {
  const whom = holders.pids.length > 0 ? `the process ${holders.pids.join(', ')}` : 'another process'
  return `${path} has been held by ${whom} for ${timeoutMs / 1000} s, and was not changed. If nothing changes it any more, remove ${holders.folder}`
}

/** Removes files that killed processes have left beside the file: prepared locks, and new contents that were
 *  never renamed (`temporaryName`). */
async function removeStaleFiles(path: string): Promise<void> {
  const folder = dirname(path)
  const name = basename(path)
  for (const entry of await readdir(folder)) {
    const mark = [`${name}.lock.`, `${name}.new.`].flatMap((prefix) =>
      entry.startsWith(prefix) ? entry.slice(prefix.length) : [],
    )[0]
    if (mark !== undefined && stateOf(mark) === 'gone') {
      await rm(join(folder, entry), { recursive: true, force: true })
    }
  }
}

/** A name beside a file for its replacement. */
export function temporaryName(path: string): string {
  return `${path}.new.${newMark()}`
}

function ignore(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!codes.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
