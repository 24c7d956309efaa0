import { chmod, chown, mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { newMark, pidOf, stateOf } from '../process-identity.ts'

export interface FileLockOptions {
  /** How long to wait for others. Default: 30 s. */
  readonly timeoutMs?: number
  /** How long one is waited for that cannot be looked after: it runs on another machine, or in another container. It
   *  is taken for gone then. Default: 20 s; a change takes milliseconds. */
  readonly strangerMs?: number
}

export interface HeldLock {
  /** To be called right before a change becomes visible.
   *  @throws Error if the lock was taken away, because this process stood still for too long */
  confirm(): Promise<void>
}

const TIMEOUT_MS = 30_000
const STRANGER_MS = 20_000
const RETRY_MS = 20

/** Keeps other processes out of a file while the work runs.
 *
 *  The lock is a folder beside the file, `<path>.lock`, with a file in it that has the holder's mark as its name. It is
 *  made elsewhere and renamed into place: that fails as long as the folder there has something in it. A dead holder's
 *  file is removed by its name, which nobody else ever has; so a lock that was taken a moment ago cannot be removed by
 *  mistake, however many processes find the dead one at the same time.
 *
 *  @throws Error if others hold it for longer than `timeoutMs`, or no lock can be made there; whatever `work` throws */
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
    // The next one may be there already.
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

/** Whoever may make files beside the lock may also remove what a dead process has left of it. */
async function prepare(folder: string, mark: string): Promise<void> {
  const { uid, gid, mode } = await stat(dirname(folder))
  await mkdir(folder)
  await writeFile(join(folder, mark), '', { flag: 'wx' })
  await chmod(folder, mode & 0o777)
  if (process.getuid?.() === 0) await chown(folder, uid, gid)
}

/** False if the lock is somebody's. */
async function isRenamed(prepared: string, folder: string): Promise<boolean> {
  try {
    await rename(prepared, folder)
    return true
  } catch (error) {
    ignore('ENOTEMPTY', 'EEXIST')(error)
    return false
  }
}

/** Those who were seen to hold the lock, and since when. */
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
    throw new Error(`${path}: others took this process for dead; nothing was changed`, { cause })
  }
}

function tooLong(path: string, { timeoutMs, holders }: Waiting): string {
  const whom = holders.pids.length > 0 ? `the process ${holders.pids.join(', ')}` : 'another process'
  return `${path} has been held by ${whom} for ${timeoutMs / 1000} s, and was not changed. If nothing changes it any more, remove ${holders.folder}`
}

/** Removes what processes that were killed have left beside the file: locks that they never got, and new contents that
 *  never came into place (`temporaryName`). */
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

/** A name beside a file for what is to replace it. */
export function temporaryName(path: string): string {
  return `${path}.new.${newMark()}`
}

function ignore(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!codes.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
