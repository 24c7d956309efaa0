import type { Digest } from '../../core/digest.ts'
import { isPathNotFound, RegistryError } from '../../core/errors.ts'
import { cosignTag, parseSignatures, signatureKindOf } from '../../core/manifest/signatures.ts'
import type {
  ManifestService,
  SignatureInfo,
  SignatureKind,
  SignatureService,
  StoredManifest,
  TagService,
} from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { RepositoryContext } from '../context.ts'
import type { JwsSignatures } from './jws-signatures.ts'

export interface SignatureSources {
  readonly jws: JwsSignatures
  readonly manifests: ManifestService
  readonly tags: TagService
}

/** A manifest that carries signatures of another. */
interface Carrier {
  readonly kind: SignatureKind
  readonly manifest: Digest
}

const READ_CONCURRENCY = 8

/** The media type that RFC 7515 gives a JWS in JSON. */
const JWS_TYPE = 'application/jose+json'

/** A repository's signatures of every kind: JWS signatures, which have links of their own, and those that
 *  clients push as manifests, under a tag or as referrers. */
export class SignatureIndex implements SignatureService {
  readonly #context: RepositoryContext
  readonly #sources: SignatureSources

  constructor(context: RepositoryContext, sources: SignatureSources) {
    this.#context = context
    this.#sources = sources
  }

  get(digest: Digest): Promise<Uint8Array[]> {
    return this.#sources.jws.get(digest)
  }

  put(digest: Digest, ...signatures: Uint8Array[]): Promise<void> {
    return this.#sources.jws.put(digest, ...signatures)
  }

  async *list(digest: Digest): AsyncIterable<SignatureInfo> {
    yield* this.#linked(digest)
    const work = (carrier: Carrier) => this.#carriedBy(carrier)
    for await (const some of mapInOrder(this.#carriers(digest), { concurrency: READ_CONCURRENCY, work }))
      yield* some
  }

  async *#linked(digest: Digest): AsyncIterable<SignatureInfo> {
    for await (const { name, link } of this.#sources.jws.all(digest)) {
      const [size, pushedAt] = await Promise.all([this.#context.pool.size(name), this.#writtenAt(link)])
      if (size === undefined || pushedAt === undefined) continue
      yield {
        kind: 'jws',
        descriptor: { mediaType: JWS_TYPE, digest: name, size },
        annotations: {},
        pushedAt,
      }
    }
  }

  /** The carriers of a manifest's signatures. cosign may push one manifest both as a tag and as a referrer:
   *  it is listed once. */
  async *#carriers(digest: Digest): AsyncIterable<Carrier> {
    const tagged = await this.#tagged(digest)
    if (tagged !== undefined) yield { kind: 'cosign', manifest: tagged }
    for await (const { digest: manifest, artifactType } of this.#sources.manifests.referrers(digest)) {
      const kind = signatureKindOf(artifactType)
      if (kind !== undefined && manifest !== tagged) yield { kind, manifest }
    }
  }

  async #tagged(digest: Digest): Promise<Digest | undefined> {
    const tag = cosignTag(digest)
    return tag && this.#sources.tags.find(tag)
  }

  async #carriedBy({ kind, manifest }: Carrier): Promise<readonly SignatureInfo[]> {
    const { revisions } = this.#context
    const [stored, pushedAt] = await Promise.all([
      orUnknown<StoredManifest>(this.#sources.manifests.get(manifest)),
      this.#writtenAt(revisions.path(manifest)),
    ])
    if (stored === undefined || pushedAt === undefined) return []
    return parseSignatures(stored.payload).map((carried) => ({ ...carried, kind, manifest, pushedAt }))
  }

  /** The file's modification time. Undefined if it does not exist. */
  async #writtenAt(path: string): Promise<Date | undefined> {
    try {
      const info = await this.#context.storage.stat(path)
      return info.kind === 'file' ? info.modifiedAt : undefined
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }
}

/** Undefined if the repository lacks the manifest. */
async function orUnknown<Result>(answer: Promise<Result>): Promise<Result | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return undefined
    throw error
  }
}
