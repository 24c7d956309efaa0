import { CANONICAL, type Digest, type DigestAlgorithm, Digester } from '../../core/digest.ts'
import type { FileVersion } from '../../core/storage-driver.ts'

/** The digests of the first `size` bytes of an upload: the canonical one, and others on request. */
export class RunningDigests {
  size = 0
  /** Version of the file with these bytes. Undefined while they are being written. */
  version: FileVersion | undefined
  readonly #digesters: Digester[]

  constructor(algorithms: readonly DigestAlgorithm[]) {
    this.#digesters = [...new Set([CANONICAL, ...algorithms])].map((algorithm) => new Digester(algorithm))
  }

  update(chunk: Uint8Array): void {
    for (const digester of this.#digesters) digester.update(chunk)
    this.size += chunk.length
  }

  snapshot(): KnownDigests {
    return { size: this.size, digests: this.#digesters.map((digester) => digester.digest()) }
  }
}

/** The digests of the first `size` bytes of an upload. */
export interface KnownDigests {
  readonly size: number
  readonly digests: readonly Digest[]
}
