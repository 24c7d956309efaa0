import { algorithmOf, type Digest, type DigestAlgorithm, hexOf, isDigest } from '../core/digest.ts'
import { isRepositoryName, type RepositoryName, type Tag } from '../core/reference.ts'

/**
 * Every storage path of the registry: CNCF Distribution's layout, byte for byte.
 *
 * ```
 * /docker/registry/v2
 * ├── blobs/<alg>/<first two of hex>/<hex>/data       the bytes of layers, configs and manifests
 * ├── gc                                              Entrepot's own, of garbage collections: see core/collection/
 * ├── cache/generation                                Entrepot's own: what of a cache in Redis is believed
 * ├── maintenance/clock                               Entrepot's own, and empty: written to see what time storage has
 * └── repositories/<name>
 *     ├── _layers/<alg>/<hex>/link                    the repository has this blob
 *     ├── _manifests
 *     │   ├── revisions/<alg>/<hex>/link              … this manifest
 *     │   ├── revisions/<alg>/<hex>/signatures/<alg>/<hex>/link   … this JWS signature of it, a blob of its own
 *     │   ├── tags/<tag>
 *     │   │   ├── current/link                        what the tag names
 *     │   │   ├── current/name                        Entrepot's own: its digest by another algorithm
 *     │   │   └── index/<alg>/<hex>/link              everything it ever named
 *     │   ├── deletions                               Entrepot's own: a state; whether manifests are being deleted
 *     │   └── referrers                               Entrepot's own
 *     │       ├── backfill                            how far the manifests from before were looked at
 *     │       └── <alg>/<hex of a subject>
 *     │           ├── <alg>/<hex>/link                a manifest that refers to it, by the name it was pushed by
 *     │           └── summaries/<alg>-<digit>         what the list says of those whose hex begins with the digit
 *     └── _uploads/<uuid>
 *         ├── data                                    the bytes so far
 *         ├── startedat                               RFC 3339, UTC, whole seconds
 *         ├── owner                                   Entrepot's own: who may go on with it
 *         └── digests                                 Entrepot's own: which bytes those are, and their digests
 * ```
 *
 * A link's content is the canonical digest of the blob it stands for, without a newline.
 */
export const ROOT = '/docker/registry/v2'

export const BLOBS = `${ROOT}/blobs`

export const REPOSITORIES = `${ROOT}/repositories`

export const STORAGE_CLOCK = `${ROOT}/maintenance/clock`

export const CACHE_GENERATION = `${ROOT}/cache/generation`

/** `canonical` is a digest of the canonical algorithm: no blob is stored under another. */
export function blobPath(canonical: Digest): string {
  const hex = hexOf(canonical)
  return `${BLOBS}/${algorithmOf(canonical)}/${hex.slice(0, 2)}/${hex}/data`
}

/** The digest that a folder below `<algorithm>/` stands for; undefined for a stray name. */
export function digestFromFolder(algorithm: DigestAlgorithm, name: string): Digest | undefined {
  const digest = `${algorithm}:${name}`
  return isDigest(digest) ? digest : undefined
}

/** The upload whose folder a path lies in, by the path alone. */
export function uploadAt(path: string): { repository: RepositoryName; id: string } | undefined {
  const [, repository = '', id = ''] = UPLOAD_PATH.exec(path) ?? []
  return isRepositoryName(repository) ? { repository, id } : undefined
}

const UPLOAD_PATH = new RegExp(`^${REPOSITORIES}/(.+?)/_uploads/([^/]+)/`)

/** The folders of a repository. */
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

  /** The links to the signatures of a manifest, which go when its revision goes. */
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

/** What is kept of a manifest's referrers, whether or not the manifest is there. */
export class SubjectPaths {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  /** A folder whose children are named after the referrers that were pushed by this algorithm. */
  referrers(algorithm: DigestAlgorithm): string {
    return `${this.folder}/${algorithm}`
  }

  referrer(name: Digest): string {
    return `${this.referrers(algorithmOf(name))}/${hexOf(name)}`
  }

  summary(name: string): string {
    return `${this.folder}/summaries/${name}`
  }
}

/** The names of all that the registry keeps in an upload's folder. */
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
