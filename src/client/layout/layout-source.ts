import type { ReferrerDescriptor } from '../../core/descriptor.ts'
import { algorithmOf, type Digest, hexOf, isDigest } from '../../core/digest.ts'
import { MAX_MANIFEST_BYTES } from '../../core/manifest/limits.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import { readBody } from '../authorization.ts'
import { imageManifest } from '../copy/image-manifest.ts'
import type { ImageManifest, ImageSource } from '../copy/image-store.ts'
import { descriptorOf } from '../push/fallback-referrers.ts'
import type { FileTree } from './file-tree.ts'
import { entriesOf, INDEX_FILE, type LayoutEntry, MAX_INDEX_BYTES, nameIn } from './layout-index.ts'

/** The images of an OCI layout, in a folder or an archive. OCI Image Specification 1.1, "Image Layout". */
export class LayoutSource implements ImageSource {
  readonly name: string
  readonly location = undefined
  readonly #tree: FileTree
  readonly #entries: readonly LayoutEntry[]

  private constructor(tree: FileTree, entries: readonly LayoutEntry[]) {
    this.name = tree.name
    this.#tree = tree
    this.#entries = entries
  }

  /** @throws UpstreamError NOT_FOUND if there is no layout, INVALID if its index can't be read */
  static async open(tree: FileTree): Promise<LayoutSource> {
    if ((await tree.size(INDEX_FILE)) === undefined)
      throw new UpstreamError('NOT_FOUND', { message: `${tree.name} is no OCI layout: no ${INDEX_FILE}` })
    const text = await readBody(tree.open(INDEX_FILE, 0), MAX_INDEX_BYTES)
    return new LayoutSource(tree, entriesOf(text.toString(), tree.name))
  }

  async manifest(reference: string | undefined): Promise<ImageManifest> {
    const entry = reference !== undefined && isDigest(reference) ? undefined : this.#named(reference)
    const digest = entry?.digest ?? (reference as Digest)
    const payload = await readBody(this.#open(digest, 0), MAX_MANIFEST_BYTES)
    return imageManifest(payload, { contentType: undefined, reference: digest })
  }

  async openBlob(digest: Digest, { start }: { start: number }): Promise<AsyncIterable<Uint8Array>> {
    if ((await this.#tree.size(blobPath(digest))) === undefined) throw this.#missing(digest)
    return this.#tree.open(blobPath(digest), start)
  }

  /** A layout has no lists: each manifest that its index names is looked at. */
  async referrers(subject: Digest): Promise<readonly ReferrerDescriptor[]> {
    const found: ReferrerDescriptor[] = []
    for (const digest of new Set(this.#entries.map((entry) => entry.digest))) {
      const manifest = await this.manifest(digest)
      if (manifest.subject === subject) found.push(descriptorOf(manifest))
    }
    return found
  }

  async *tags(): AsyncIterable<string> {
    for (const entry of this.#entries) {
      const name = nameIn(entry)
      if (name !== undefined) yield name
    }
  }

  #named(reference: string | undefined): LayoutEntry {
    const images = this.#entries.filter((entry) =>
      reference === undefined ? true : nameIn(entry) === reference,
    )
    const named = images.filter((entry) => nameIn(entry) !== undefined)
    const candidates = reference === undefined && named.length > 0 ? named : images
    const [first] = candidates
    if (first !== undefined && (candidates.length === 1 || reference !== undefined)) return first
    const names = this.#entries.flatMap((entry) => nameIn(entry) ?? [])
    throw new UpstreamError('NOT_FOUND', {
      message:
        reference === undefined
          ? `${this.name} has ${candidates.length} images; name one of ${names.join(', ')}`
          : `${this.name} has no image ${reference}; it has ${names.join(', ') || 'none with a name'}`,
    })
  }

  async *#open(digest: Digest, start: number): AsyncIterable<Uint8Array> {
    yield* await this.openBlob(digest, { start })
  }

  #missing(digest: Digest): UpstreamError {
    return new UpstreamError('NOT_FOUND', { message: `${this.name} does not have ${digest}` })
  }
}

/** Of a blob in a layout. */
export function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`
}
