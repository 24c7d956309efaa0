import { LRUCache } from 'lru-cache'
import type { Locks } from '../../core/coordination/locks.ts'
import type { DigestAlgorithm } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { FileVersion } from '../../core/storage-driver.ts'
import type { UploadPaths } from '../paths.ts'
import { RunningDigests } from './running-digests.ts'
import type { UploadStatus } from './upload-status.ts'

/** What is known of uploads beyond what is on storage: who is writing, and, in this process alone, the live hash of the
 *  bytes so far. Losing a hash costs a re-read of the bytes at the end, nothing else.
 *
 *  And what this process last knew of those that it began, which saves looking them up. Others may have gone on with an
 *  upload since: whoever goes by it writes and moves only the version of the bytes that it knows. */
export class UploadSessions {
  readonly #locks: Locks
  readonly #running = new LRUCache<string, RunningDigests>({ max: MAX_UPLOADS })
  readonly #status = new LRUCache<string, UploadStatus>({ max: MAX_UPLOADS })

  constructor(locks: Locks) {
    this.#locks = locks
  }

  /** Keeps others from writing to the upload while the work runs, in other processes too.
   *  @throws RegistryError RANGE_INVALID when somebody is writing already */
  async exclusively<Result>(uploadId: string, work: () => Promise<Result>): Promise<Result> {
    if (!(await this.#locks.acquire(uploadId))) {
      throw new RegistryError('RANGE_INVALID', { message: 'another request is writing to this upload' })
    }
    try {
      return await work()
    } finally {
      await this.#locks.release(uploadId)
    }
  }

  /** The hash of an upload that has no bytes yet. */
  begin(uploadId: string, algorithms: readonly DigestAlgorithm[]): RunningDigests {
    const running = new RunningDigests(algorithms)
    this.#running.set(uploadId, running)
    return running
  }

  unwritten(uploadId: string): RunningDigests {
    const running = this.#running.get(uploadId)
    return running?.size === 0 ? running : this.begin(uploadId, [])
  }

  /** The live digests, when they are of exactly this version of the bytes. */
  running(uploadId: string, version: FileVersion): RunningDigests | undefined {
    const running = this.#running.get(uploadId)
    return running?.version === version ? running : undefined
  }

  end(uploadId: string): void {
    this.#running.delete(uploadId)
  }

  remember({ folder }: UploadPaths, status: UploadStatus): void {
    this.#status.set(folder, status)
  }

  recall({ folder }: UploadPaths): UploadStatus | undefined {
    return this.#status.get(folder)
  }

  forget({ folder }: UploadPaths): void {
    this.#status.delete(folder)
  }
}

/** A hash state is some hundred bytes, and so are the facts; this many uploads at once are not expected of one process. */
const MAX_UPLOADS = 10_000
