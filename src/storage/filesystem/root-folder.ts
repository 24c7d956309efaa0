import { stat } from 'node:fs/promises'
import { StorageError } from '../../core/errors.ts'
import { isErrno } from './errno.ts'

/** The folder that all paths stand below. When its disk is unmounted, another folder stands under its name, or none: then
 *  nothing is known to be missing, and nothing may be put there. */
export class RootFolder {
  readonly #path: string
  /** Undefined until it was seen. */
  #identity: string | undefined

  /** @param path absolute */
  constructor(path: string) {
    this.#path = path
  }

  /** Takes the folder that stands there, if there is one, for the right one from now on.
   *  @throws what the operating system says */
  async remember(): Promise<void> {
    this.#identity = await this.#look()
  }

  /** Resolves while the folder is the one that was remembered, and while none was.
   *  @throws StorageError BUSY until it stands there again */
  async requireSame(): Promise<void> {
    if (this.#identity === undefined || (await this.#look()) === this.#identity) return
    const message = `the folder ${this.#path} is not the one it was at the start: its disk is gone, or another one is mounted`
    throw new StorageError('BUSY', { path: '/', message })
  }

  /** Not its device: the same disk can have another number after it was mounted again. */
  async #look(): Promise<string | undefined> {
    try {
      const { ino, birthtimeNs } = await stat(this.#path, { bigint: true })
      return `${ino}.${birthtimeNs}`
    } catch (cause) {
      if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return undefined
      throw cause
    }
  }
}
