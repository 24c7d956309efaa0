import {
  ALGORITHMS,
  algorithmOf,
  CANONICAL,
  type Digest,
  type DigestAlgorithm,
  type HashAlgorithm,
  hashAlgorithmOf,
  hexOf,
  isDigest,
  isTarSum,
  isTarSumAlgorithm,
  TARSUM_ALGORITHMS,
  type TarSumAlgorithm,
} from '../core/digest.ts'
import { isRepositoryName, type RepositoryName, type Tag } from '../core/reference.ts'

/** Every storage path of the registry: CNCF Distribution's layout, byte for byte. Files marked * are
 *  Entrepot's own.
 *
 *  ```
 *  /docker/registry/v2
 *  ├── blobs/<alg>/<first two of hex>/<hex>/data   the bytes of layers, configs and manifests
 *  ├── gc                                        * garbage collection: see core/collection/
 *  ├── cache/generation                          * the valid generation of a cache in Redis
 *  ├── maintenance/clock                         * empty; written to read the storage's clock
 *  ├── quarantine/<day>[-collected]/<hex>       * damaged or collected blobs: see core/collection/quarantine.ts
 *  ├── scrub                                    * see core/scrub/scrub-state.ts
 *  ├── notifications                            * of events: see notifications/outbox/paths.ts
 *  └── repositories/<name>
 *      ├── _layers
 *      │   ├── <alg>/<hex>/link                    the repository has this blob
 *      │   └── tarsum/<version>/sha256/<hex>/link  it has a layer of this TarSum; of Distribution 2.0
 *      ├── _manifests
 *      │   ├── revisions/<alg>/<hex>
 *      │   │   ├── link                            the repository has this manifest
 *      │   │   └── signatures/<alg>/<hex>/link     a JWS signature of it, stored as a blob
 *      │   ├── tags/<tag>
 *      │   │   ├── current/link                    the manifest that the tag names
 *      │   │   ├── current/name                  * its digest by another algorithm
 *      │   │   └── index/<alg>/<hex>/link          every manifest that the tag has named
 *      │   ├── deletions                         * a state: running deletions of manifests
 *      │   └── referrers                         *
 *      │       ├── backfill                        progress of the search in older manifests
 *      │       └── <alg>/<hex of a subject>
 *      │           ├── <alg>/<hex>/link            a referrer, by the digest it was pushed by
 *      │           └── summaries/<alg>-<digit>     descriptors of those whose hex begins with the digit
 *      └── _uploads/<uuid>
 *          ├── data                                the bytes so far
 *          ├── startedat                           RFC 3339, UTC, whole seconds
 *          ├── owner                             * the identity that may continue it
 *          └── digests                           * the version of the bytes, and their digests
 *  ```
 *
 *  A link's content is the canonical digest of the blob that it refers to, without a newline. */
export const ROOT = '/docker/registry/v2'

export const BLOBS = `${ROOT}/blobs`

export const REPOSITORIES = `${ROOT}/repositories`

export const STORAGE_CLOCK = `${ROOT}/maintenance/clock`

export const CACHE_GENERATION = `${ROOT}/cache/generation`

/** The path of a blob. `canonical` is a digest of the canonical algorithm: blobs are stored under no
 *  other. */
export function blobPath(canonical: Digest): string {
  const hex = hexOf(canonical)
  return `${BLOBS}/${algorithmOf(canonical)}/${hex.slice(0, 2)}/${hex}/data`
}

const BLOB_PATH = new RegExp(`^${BLOBS}/sha256/[0-9a-f]{2}/([0-9a-f]{64})/data$`)

/** The digest of the blob with this path. Undefined for any other path. */
export function digestOfBlobPath(path: string): Digest | undefined {
  const hex = BLOB_PATH.exec(path)?.[1]
  return hex === undefined ? undefined : (`${CANONICAL}:${hex}` as Digest)
}

/** The folder of a digest below the folder of a set of links. */
export function digestFolder(digest: Digest): string {
  return `${algorithmFolder(algorithmOf(digest))}/${hexOf(digest)}`
}

/** The folder of an algorithm's digests: its name, or `tarsum/<version>/sha256`. */
export function algorithmFolder(algorithm: DigestAlgorithm): string {
  return isTarSumAlgorithm(algorithm) ? `${TARSUM_FOLDER}/${tarSumVersion(algorithm)}/sha256` : algorithm
}

export const TARSUM_FOLDER = 'tarsum'

/** The name of a TarSum's version in paths. */
export function tarSumVersion(algorithm: TarSumAlgorithm): string {
  return /\.(.+)\+/.exec(algorithm)?.[1] ?? 'v0'
}

/** The digest in the name of a folder below that of the algorithm. Undefined for a stray name. */
export function digestFromFolder(algorithm: DigestAlgorithm, name: string): Digest | undefined {
  const digest = `${algorithm}:${name}`
  return isDigest(digest) || isTarSum(digest) ? digest : undefined
}

/** The digest of such a folder's path: `<alg>/<hex>`, or `tarsum/<version>/sha256/<hex>`. Undefined for a stray
 *  path. */
export function parseDigestFolder(path: string): Digest | undefined {
  const end = path.lastIndexOf('/')
  const algorithm = ALL_ALGORITHMS.find((known) => algorithmFolder(known) === path.slice(0, end))
  return algorithm && digestFromFolder(algorithm, path.slice(end + 1))
}

const ALL_ALGORITHMS: readonly DigestAlgorithm[] = [...ALGORITHMS, ...TARSUM_ALGORITHMS]

/** The upload that a path belongs to, by its text alone. Undefined for other paths. */
export function uploadAt(path: string): { repository: RepositoryName; id: string } | undefined {
  const [, repository = '', id = ''] = UPLOAD_PATH.exec(path) ?? []
  return isRepositoryName(repository) ? { repository, id } : undefined
}

const UPLOAD_PATH = new RegExp(`^${REPOSITORIES}/(.+?)/_uploads/([^/]+)/`)

/** The paths of a repository. */
export class RepositoryPaths {
  readonly root: string
  readonly layers: string
  readonly manifests: string
  readonly revisions: string
  readonly tags: string
  readonly uploads: string
  readonly referrers: string
  readonly backfill: string
  readonly deletions: string

  constructor(name: RepositoryName) {
    this.root = `${REPOSITORIES}/${name}`
    this.layers = `${this.root}/_layers`
    this.manifests = `${this.root}/_manifests`
    this.revisions = `${this.manifests}/revisions`
    this.tags = `${this.manifests}/tags`
    this.uploads = `${this.root}/_uploads`
    this.referrers = `${this.manifests}/referrers`
    this.backfill = `${this.referrers}/backfill`
    this.deletions = `${this.manifests}/deletions`
  }

  subject(digest: Digest): SubjectPaths {
    return new SubjectPaths(`${this.referrers}/${algorithmOf(digest)}/${hexOf(digest)}`)
  }

  tag(tag: Tag): TagPaths {
    return new TagPaths(`${this.tags}/${tag}`)
  }

  /** The folder of a manifest's signatures, which is deleted with its revision. */
  signatures(canonical: Digest): string {
    return `${this.revisions}/${algorithmOf(canonical)}/${hexOf(canonical)}/signatures`
  }

  upload(id: string): UploadPaths {
    return new UploadPaths(`${this.uploads}/${id}`)
  }
}

export class TagPaths {
  readonly folder: string
  readonly current: string
  readonly currentName: string
  readonly index: string

  constructor(folder: string) {
    this.folder = folder
    this.current = `${folder}/current/link`
    this.currentName = `${folder}/current/name`
    this.index = `${folder}/index`
  }
}

/** The paths of a manifest's referrers; the manifest itself need not exist. */
export class SubjectPaths {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  /** The folder of the referrers that were pushed by digests of this algorithm. */
  referrers(algorithm: HashAlgorithm): string {
    return `${this.folder}/${algorithm}`
  }

  referrer(name: Digest): string {
    return `${this.referrers(hashAlgorithmOf(name))}/${hexOf(name)}`
  }

  summary(name: string): string {
    return `${this.folder}/summaries/${name}`
  }
}

/** All files that the registry writes in an upload's folder. */
export const UPLOAD_FILES = ['startedat', 'data', 'owner', 'digests'] as const

export class UploadPaths {
  readonly folder: string
  readonly data: string
  readonly startedAt: string
  readonly owner: string
  readonly digests: string

  constructor(folder: string) {
    this.folder = folder
    this.data = `${folder}/data`
    this.startedAt = `${folder}/startedat`
    this.owner = `${folder}/owner`
    this.digests = `${folder}/digests`
  }
}
