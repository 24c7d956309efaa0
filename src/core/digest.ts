import { createHash, type Hash, hash } from 'node:crypto'
import { RegistryError } from './errors.ts'

declare const digestBrand: unique symbol

/** The name of some bytes: `<algorithm>:<lower-case hex>`, checked. OCI Image Specification 1.1,
 *  "Digests". */
export type Digest = string & { readonly [digestBrand]: true }

/** The algorithms served; `sha256` is canonical: every blob is stored under it. */
export type DigestAlgorithm = 'sha256' | 'sha512'

export const CANONICAL: DigestAlgorithm = 'sha256'

export const ALGORITHMS: readonly DigestAlgorithm[] = ['sha256', 'sha512']

const PATTERN = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

export function isDigest(text: string): text is Digest {
  return PATTERN.test(text)
}

/** Parses a digest.
 *  @throws RegistryError DIGEST_INVALID for another algorithm, another length, or upper-case letters */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new RegistryError('DIGEST_INVALID', {
    message: 'a digest is sha256:<64 lower-case hex> or sha512:<128 lower-case hex>',
    detail: { digest: text.slice(0, 200) },
  })
}

/** Parses the name of an algorithm.
 *  @throws RegistryError DIGEST_INVALID for an algorithm that is not served */
export function parseDigestAlgorithm(text: string): DigestAlgorithm {
  const algorithm = ALGORITHMS.find((known) => known === text)
  if (algorithm !== undefined) return algorithm
  throw new RegistryError('DIGEST_INVALID', {
    message: `the digest algorithms are ${ALGORITHMS.join(' and ')}`,
    detail: { algorithm: text.slice(0, 200) },
  })
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha256') ? 'sha256' : 'sha512'
}

/** The part behind the algorithm, in lower-case hex. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = CANONICAL): Digest {
  return `${algorithm}:${hash(algorithm, bytes, 'hex')}` as Digest
}

/** Computes the digest of bytes that arrive in chunks. */
export class Digester {
  readonly algorithm: DigestAlgorithm
  readonly #hash: Hash

  constructor(algorithm: DigestAlgorithm = CANONICAL) {
    this.algorithm = algorithm
    this.#hash = createHash(algorithm)
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk)
  }

  /** The digest of the bytes so far; more may follow. */
  digest(): Digest {
    return `${this.algorithm}:${this.#hash.copy().digest('hex')}` as Digest
  }
}
