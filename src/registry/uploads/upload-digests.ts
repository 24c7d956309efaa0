import {
  algorithmOf,
  CANONICAL,
  type Digest,
  type DigestAlgorithm,
  Digester,
  type HashAlgorithm,
  isTarSumAlgorithm,
  type TarSumAlgorithm,
} from '../../core/digest.ts'
import { StorageError } from '../../core/errors.ts'
import type { FileVersion } from '../../core/storage-driver.ts'
import { TarError } from '../../lib/tar/header.ts'
import type { RepositoryContext } from '../context.ts'
import type { UploadPaths } from '../paths.ts'
import { limitsFor, tarSumOf } from '../tarsum/tar-sum.ts'
import type { KnownDigests, RunningDigests } from './running-digests.ts'
import type { UploadStatus } from './upload-status.ts'

export interface UploadDigestsOptions {
  readonly id: string
  readonly status: UploadStatus
  readonly paths: UploadPaths
}

/** The digests of an upload's bytes so far: from the running hash, from the record beside the bytes, or from
 *  the bytes. They always belong to one version of the file. */
export class UploadDigests {
  readonly #id: string
  readonly #status: UploadStatus
  readonly #paths: UploadPaths
  readonly #context: RepositoryContext

  constructor({ id, status, paths }: UploadDigestsOptions, context: RepositoryContext) {
    this.#id = id
    this.#status = status
    this.#paths = paths
    this.#context = context
  }

  /** The running hash, to which further bytes are added. Undefined if it does not cover the bytes so far. */
  running(): RunningDigests | undefined {
    const { sessions } = this.#context
    const status = this.#status
    if (status.size === 0) return sessions.unwritten(this.#id)
    return status.version === undefined ? undefined : sessions.running(this.#id, status.version)
  }

  /** The canonical digest and that of the algorithm, if they are known without reading the bytes. They may be
   *  those of a blob that the bytes have become. */
  async known(algorithm: DigestAlgorithm): Promise<KnownDigests | undefined> {
    const { record, size, version } = this.#status
    const isRecorded = record !== undefined && has(record, algorithm)
    if (isRecorded && size === 0 && (await this.#wasAdopted(record))) return record
    return this.#ofVersion(algorithm, version)
  }

  /** Those of the bytes of a version, if they are known. */
  async #ofVersion(
    algorithm: DigestAlgorithm,
    version: FileVersion | undefined,
  ): Promise<KnownDigests | undefined> {
    const { record, size } = this.#status
    const running = await this.running()?.snapshot()
    if (running?.size === size && has(running, algorithm)) return running
    const isRecorded = record !== undefined && version !== undefined && record.version === version
    return isRecorded && has(record, algorithm) ? record : undefined
  }

  /** Computes the digests of the bytes of a version, or of an upload without bytes.
   *  @throws StorageError OFFSET_INVALID if there are fewer bytes than known */
  async read(algorithm: DigestAlgorithm, version: FileVersion | undefined): Promise<KnownDigests> {
    if (!isTarSumAlgorithm(algorithm)) return this.#hash(algorithm, version)
    const known = (await this.#ofVersion(CANONICAL, version)) ?? (await this.#hash(CANONICAL, version))
    return this.#context.sessions.whenTarSumMayRun(() => this.#addTarSum(known, { algorithm, version }))
  }

  /** Reads the bytes once more: what compression hides has no running hash. */
  async #addTarSum(
    known: KnownDigests,
    { algorithm, version }: { algorithm: TarSumAlgorithm; version: FileVersion | undefined },
  ): Promise<KnownDigests> {
    try {
      const sum = await tarSumOf(this.#bytes(version), algorithm, limitsFor(known.size))
      return { size: known.size, digests: [...known.digests, sum] }
    } catch (error) {
      if (!(error instanceof TarError)) throw error
      return { ...known, problem: `no TarSum can be computed, because the archive ${error.message}` }
    }
  }

  async *#bytes(version: FileVersion | undefined): AsyncIterable<Uint8Array> {
    if (version !== undefined) yield* this.#context.storage.read(this.#paths.data, { version })
  }

  async #hash(algorithm: HashAlgorithm, version: FileVersion | undefined): Promise<KnownDigests> {
    const digesters = [...new Set([CANONICAL, algorithm])].map((each) => new Digester(each))
    let size = 0
    for await (const chunk of this.#bytes(version)) {
      for (const digester of digesters) digester.update(chunk)
      size += chunk.length
    }
    if (size !== this.#status.size) throw new StorageError('OFFSET_INVALID', { path: this.#paths.data })
    return { size, digests: digesters.map((digester) => digester.digest()) }
  }

  /** True if a commit was interrupted after the bytes had become a blob: the repetition only has to link
   *  it. */
  async #wasAdopted(record: KnownDigests): Promise<boolean> {
    if (record.size === 0) return false
    return this.#context.pool.holds({ canonical: requireAlgorithm(record, CANONICAL), size: record.size })
  }
}

function has({ digests }: KnownDigests, algorithm: DigestAlgorithm): boolean {
  return digests.some((digest) => algorithmOf(digest) === algorithm)
}

export function requireAlgorithm(known: KnownDigests, algorithm: DigestAlgorithm): Digest {
  const digest = known.digests.find((candidate) => algorithmOf(candidate) === algorithm)
  if (digest === undefined) throw new Error(`no ${algorithm} digest was computed`)
  return digest
}
