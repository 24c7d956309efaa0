import { CANONICAL, type Digest, Digester, type HashAlgorithm } from '../../core/digest.ts'
import type { UploadOptions } from '../../core/registry.ts'
import type { FileVersion } from '../../core/storage-driver.ts'
import type { Ingest } from '../../lib/ingest/ingest.ts'
import { LargeDigester } from './large-digester.ts'

export interface RunningDigestsOptions {
  /** Beside the canonical one. */
  readonly algorithms?: readonly HashAlgorithm[]
  readonly digestsOf?: UploadOptions['digestsOf']
  /** Default: they are computed in this thread. */
  readonly ingest?: Ingest | undefined
}

/** The digests of the first `size` bytes of an upload: the canonical one, and others on request. They are
 *  computed here, unless whoever sends the bytes knows them. */
export class RunningDigests {
  size = 0
  /** Version of the file with these bytes. Undefined while they are being written. */
  version: FileVersion | undefined
  readonly #digesters: readonly (Digester | LargeDigester)[]
  readonly #digestsOf: UploadOptions['digestsOf']

  constructor({ algorithms = [], digestsOf, ingest }: RunningDigestsOptions = {}) {
    this.#digestsOf = digestsOf
    this.#digesters = digestsOf === undefined ? digestersOf(new Set([CANONICAL, ...algorithms]), ingest) : []
  }

  /** Adds bytes, which may be written meanwhile.
   *  @returns a promise if the caller must wait before it adds more */
  update(chunk: Uint8Array): Promise<void> | undefined {
    let room: Promise<void> | undefined
    for (const digester of this.#digesters) room = digester.update(chunk) ?? undefined
    this.size += chunk.length
    return room
  }

  /** Counts bytes of a file that was taken over. They are known only if whoever sent them knows their digests. */
  take(size: number): void {
    if (this.#digestsOf !== undefined) this.size = size
  }

  /** Undefined if they are lost: then the bytes must be read. */
  async snapshot(): Promise<KnownDigests | undefined> {
    const { size } = this
    const digests =
      this.#digestsOf?.(size) ?? (await Promise.all(this.#digesters.map((digester) => digester.digest())))
    return digests.every((digest) => digest !== undefined) ? { size, digests } : undefined
  }

  /** Gives them up. */
  end(): void {
    for (const digester of this.#digesters) if (digester instanceof LargeDigester) digester.end()
  }
}

function digestersOf(
  algorithms: ReadonlySet<HashAlgorithm>,
  ingest: Ingest | undefined,
): (Digester | LargeDigester)[] {
  if (ingest !== undefined && algorithms.size === 1) return [new LargeDigester(ingest)]
  return [...algorithms].map((algorithm) => new Digester(algorithm))
}

/** The digests of the first `size` bytes of an upload. */
export interface KnownDigests {
  readonly size: number
  readonly digests: readonly Digest[]
  /** The reason if a TarSum of them can't be computed. */
  readonly problem?: string | undefined
}
