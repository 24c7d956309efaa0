import { algorithmOf, CANONICAL, type Digest, digestOf } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { MAX_SIGNATURES } from '../../core/manifest/limits.ts'
import type { SignatureService } from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { settleAll } from '../../lib/settle-all.ts'
import type { RepositoryContext } from '../context.ts'
import { LinkSet } from '../links/links.ts'

/** Signatures that are read concurrently. */
const READ_CONCURRENCY = 16

/** The JWS signatures of a repository's manifests, stored as Distribution did in 2015: each is a blob,
 *  linked in the folder of the manifest's revision. A signature whose bytes are missing or damaged counts
 *  as absent. */
export class JwsSignatures implements Pick<SignatureService, 'get' | 'put'> {
  readonly #context: RepositoryContext

  constructor(context: RepositoryContext) {
    this.#context = context
  }

  async get(digest: Digest): Promise<Uint8Array[]> {
    const canonical = await this.#canonical(digest)
    if (canonical === undefined) return []
    const signatures: Uint8Array[] = []
    const read = (name: Digest) => this.#context.pool.get(name)
    const names = this.#links(canonical).all()
    for await (const signature of mapInOrder(names, { concurrency: READ_CONCURRENCY, work: read })) {
      if (signature !== undefined) signatures.push(signature)
      if (signatures.length === MAX_SIGNATURES) break
    }
    return signatures
  }

  async put(digest: Digest, ...signatures: Uint8Array[]): Promise<void> {
    const canonical = await this.#canonical(digest)
    if (canonical === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { detail: { digest } })
    const links = this.#links(canonical)
    await settleAll(
      signatures.map(async (signature) => {
        const name = digestOf(signature)
        const stored = this.#context.pool.put(name, signature)
        await settleAll([stored, links.add(name, name, { after: stored })])
      }),
    )
  }

  /** The digests of the signatures, and the paths of their links. */
  async *all(digest: Digest): AsyncIterable<{ name: Digest; link: string }> {
    const canonical = await this.#canonical(digest)
    if (canonical === undefined) return
    const links = this.#links(canonical)
    for await (const name of links.all()) yield { name, link: links.path(name) }
  }

  async #canonical(digest: Digest): Promise<Digest | undefined> {
    return algorithmOf(digest) === CANONICAL ? digest : this.#context.revisions.get(digest)
  }

  #links(canonical: Digest): LinkSet {
    return new LinkSet(this.#context.paths.signatures(canonical), this.#context)
  }
}
