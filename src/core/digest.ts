import { createHash, type Hash, hash } from 'node:crypto'
import { RegistryError } from './errors.ts'

declare const digestBrand: unique symbol

/** The name of some bytes: `<algorithm>:<lower-case hex>`, checked. OCI Image Specification 1.1,
 *  "Digests". The name of a blob may also be a TarSum. */
export type Digest = string & { readonly [digestBrand]: true }

/** The algorithms that hash bytes; `sha256` is canonical: every blob is stored under it. */
export type HashAlgorithm = 'sha256' | 'sha512'

/** Docker's checksums of the entries of a layer, which names of 2014 and 2015 have. They are further names of
 *  blobs, never of manifests, and say nothing of the bytes: the archive's sequence and compression may differ. */
export type TarSumAlgorithm = 'tarsum+sha256' | 'tarsum.dev+sha256' | 'tarsum.v1+sha256'

export type DigestAlgorithm = HashAlgorithm | TarSumAlgorithm

export const CANONICAL: HashAlgorithm = 'sha256'

/** In byte order. */
export const ALGORITHMS: readonly HashAlgorithm[] = ['sha256', 'sha512']

/** In byte order, behind the others. */
export const TARSUM_ALGORITHMS: readonly TarSumAlgorithm[] = [
  'tarsum+sha256',
  'tarsum.dev+sha256',
  'tarsum.v1+sha256',
]

const PATTERN = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

const TARSUM_PATTERN = /^tarsum(?:\.v1|\.dev)?\+sha256:[0-9a-f]{64}$/

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

export function isTarSum(text: string): text is Digest {
  return TARSUM_PATTERN.test(text)
}

/** Parses the name of a blob.
 *  @param options.tarSums true if it may be a TarSum
 *  @throws RegistryError DIGEST_INVALID */
export function parseBlobDigest(text: string, { tarSums }: { readonly tarSums: boolean }): Digest {
  return tarSums && isTarSum(text) ? text : parseDigest(text)
}

/** @param hex 64 lower-case digits */
export function tarSumDigest(algorithm: TarSumAlgorithm, hex: string): Digest {
  return `${algorithm}:${hex}` as Digest
}

/** Parses the name of an algorithm.
 *  @throws RegistryError DIGEST_INVALID for an algorithm that is not served */
export function parseDigestAlgorithm(text: string): HashAlgorithm {
  const algorithm = ALGORITHMS.find((known) => known === text)
  if (algorithm !== undefined) return algorithm
  throw new RegistryError('DIGEST_INVALID', {
    message: `the digest algorithms are ${ALGORITHMS.join(' and ')}`,
    detail: { algorithm: text.slice(0, 200) },
  })
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  if (digest.startsWith('sha256')) return 'sha256'
  if (digest.startsWith('sha512')) return 'sha512'
  return digest.slice(0, digest.indexOf(':')) as TarSumAlgorithm
}

/** The algorithm that content with this digest is verified by.
 *  @throws RegistryError DIGEST_INVALID for a TarSum */
export function hashAlgorithmOf(digest: Digest): HashAlgorithm {
  const algorithm = algorithmOf(digest)
  if (!isTarSumAlgorithm(algorithm)) return algorithm
  throw new RegistryError('DIGEST_INVALID', {
    message: 'content cannot be verified by a TarSum here',
    detail: { digest },
  })
}

export function isTarSumAlgorithm(algorithm: DigestAlgorithm): algorithm is TarSumAlgorithm {
  return algorithm !== 'sha256' && algorithm !== 'sha512'
}

/** The part behind the algorithm, in lower-case hex. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

export function digestOf(bytes: Uint8Array, algorithm: HashAlgorithm = CANONICAL): Digest {
  return `${algorithm}:${hash(algorithm, bytes, 'hex')}` as Digest
}

/** Computes the digest of bytes that arrive in chunks. */
export class Digester {
  readonly algorithm: HashAlgorithm
  readonly #hash: Hash

  constructor(algorithm: HashAlgorithm = CANONICAL) {
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
