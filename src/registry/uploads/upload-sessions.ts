import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import type { Locks } from '../../core/coordination/locks.ts'
import type { HashAlgorithm } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { UploadOptions } from '../../core/registry.ts'
import type { FileVersion } from '../../core/storage-driver.ts'
import { atMost } from '../../lib/at-most.ts'
import type { Ingest } from '../../lib/ingest/ingest.ts'
import type { UploadPaths } from '../paths.ts'
import { RunningDigests } from './running-digests.ts'
import type { UploadStatus } from './upload-status.ts'

/** The locks of uploads and, in this process alone, their running hashes. A lost hash costs reading the bytes
 *  again, nothing else.
 *
 *  Also remembers the status of uploads that this process has started, which saves reading it. Others may
 *  continue an upload meanwhile, so operations name the version of the bytes that they rely on. */
export class UploadSessions {
  readonly #locks: Locks
  readonly #ingest: Ingest | undefined
  readonly #running = new LRUCache<string, RunningDigests>({
    ...atMost(MAX_UPLOADS),
    dispose: (running) => running.end(),
  })
  readonly #status = new LRUCache<string, UploadStatus>(atMost(MAX_UPLOADS))
  readonly #tarSums = pLimit(MAX_TAR_SUMS)

  /** @param ingest for large uploads. Default: they are hashed in this thread */
  constructor(locks: Locks, ingest?: Ingest) {
    this.#locks = locks
    this.#ingest = ingest
  }

  /** Runs work while no other request, in any process, writes to the upload.
   *  @throws RegistryError RANGE_INVALID if one is writing already */
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

  /** Runs the computation of a TarSum, which takes memory for each entry of an archive; others wait. */
  whenTarSumMayRun<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#tarSums(work)
  }

  /** Starts the running hash of an upload without bytes. */
  begin(
    uploadId: string,
    algorithms: readonly HashAlgorithm[],
    digestsOf?: UploadOptions['digestsOf'],
  ): RunningDigests {
    const running = new RunningDigests({ algorithms, digestsOf, ingest: this.#ingest })
    this.#running.set(uploadId, running)
    return running
  }

  unwritten(uploadId: string): RunningDigests {
    const running = this.#running.get(uploadId)
    return running?.size === 0 ? running : this.begin(uploadId, [])
  }

  /** The running hash, if it covers exactly this version of the bytes. */
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

/** Limit of remembered uploads, more than one process is expected to have. A hash state takes some hundred
 *  bytes. */
const MAX_UPLOADS = 10_000

/** TarSums computed concurrently by a process. */
const MAX_TAR_SUMS = 2
