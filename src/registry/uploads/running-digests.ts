import { CANONICAL, type Digest, Digester, type HashAlgorithm } from '../../core/digest.ts'
import type { UploadOptions } from '../../core/registry.ts'
import type { FileVersion } from '../../core/storage-driver.ts'

/** The digests of the first `size` bytes of an upload: the canonical one, and others on request. They are
 *  computed here, unless whoever sends the bytes knows them. */
export class RunningDigests {
  size = 0
  /** Version of the file with these bytes. Undefined while they are being written. */
  version: FileVersion | undefined
  readonly #digesters: Digester[]
  readonly #digestsOf: UploadOptions['digestsOf']

  constructor(algorithms: readonly HashAlgorithm[], digestsOf?: UploadOptions['digestsOf']) {
    const computed = digestsOf === undefined ? new Set([CANONICAL, ...algorithms]) : []
    this.#digesters = [...computed].map((algorithm) => new Digester(algorithm))
    this.#digestsOf = digestsOf
  }

  update(chunk: Uint8Array): void {
    for (const digester of this.#digesters) digester.update(chunk)
    this.size += chunk.length
  }

  /** Counts bytes of a file that was taken over. They are known only if whoever sent them knows their digests. */
  take(size: number): void {
    if (this.#digestsOf !== undefined) this.size = size
  }

  snapshot(): KnownDigests {
    const digests = this.#digestsOf?.(this.size) ?? this.#digesters.map((digester) => digester.digest())
    return { size: this.size, digests }
  }
}

/** The digests of the first `size` bytes of an upload. */
export interface KnownDigests {
  readonly size: number
  readonly digests: readonly Digest[]
  /** The reason if a TarSum of them can't be computed. */
  readonly problem?: string | undefined
}
