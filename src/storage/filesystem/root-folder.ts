import { type BigIntStats, statSync } from 'node:fs'
import { StorageError } from '../../core/errors.ts'
import type { FileCalls } from './calls/file-calls.ts'
import { isErrno } from './errno.ts'

/** The root of all paths. If its disk is unmounted, another folder or none is in its place: then no file may
 *  be reported as missing, and nothing written. */
export class RootFolder {
  readonly #path: string
  readonly #calls: FileCalls
  /** Undefined until the folder was seen. */
  #identity: string | undefined

  /** Does no I/O.
   *  @param path absolute */
  constructor(path: string, calls: FileCalls) {
    this.#path = path
    this.#calls = calls
  }

  /** Remembers the present folder, if there is one.
   *  @throws errors of the system */
  async remember(): Promise<void> {
    this.#identity = await this.#look()
  }

  /** Resolves while the folder is the remembered one, or none is remembered.
   *  @throws StorageError BUSY while it is not */
  async requireSame(): Promise<void> {
    if (this.#identity === undefined || (await this.#look()) === this.#identity) return
    const message = `the folder ${this.#path} is not the one of the start: its disk was unmounted, or another one is mounted`
    throw new StorageError('BUSY', { path: '/', message })
  }

  /** The same by a synchronous call. False also if the call fails. */
  isSameAtOnce(): boolean {
    if (this.#identity === undefined) return true
    try {
      return identityOf(statSync(this.#path, { bigint: true })) === this.#identity
    } catch {
      return false
    }
  }

  async #look(): Promise<string | undefined> {
    try {
      return identityOf(await this.#calls.statExactly(this.#path))
    } catch (cause) {
      if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return undefined
      throw cause
    }
  }
}

/** Without the device number, which may change when the same disk is remounted. */
function identityOf({ ino, birthtimeNs }: BigIntStats): string {
  return `${ino}.${birthtimeNs}`
}
