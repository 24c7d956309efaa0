import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { BlobOutcome, BlobToPut, ImageManifest, ImageTarget } from '../copy/image-store.ts'
import { FolderTree } from '../layout/folder.ts'
import { INDEX_FILE, indexText, LAYOUT_FILE, LAYOUT_VERSION, withEntry } from '../layout/layout-index.ts'
import { blobPath } from '../layout/layout-source.ts'
import { LayoutTarget } from '../layout/layout-target.ts'
import { TAR_END, tarHeader, tarPadding } from './tar-writer.ts'

type Added = { readonly manifest: ImageManifest; readonly reference: string | undefined }

/** An archive as `docker save` writes it since Docker 25: an OCI layout, with the file `manifest.json` that
 *  older releases of `docker load` read. So an image that is pushed from it keeps its digest.
 *
 *  Blobs are gathered in a layout beside it, which a later attempt continues. */
export class ArchiveTarget implements ImageTarget {
  readonly name: string
  readonly location = undefined
  readonly #path: string
  readonly #staged: LayoutTarget
  readonly #added: Added[] = []
  /** Manifests that an image's index lists. */
  readonly #manifests: ImageManifest[] = []

  private constructor(path: string, staged: LayoutTarget) {
    this.name = path
    this.#path = path
    this.#staged = staged
  }

  static async open(path: string): Promise<ArchiveTarget> {
    await mkdir(dirname(path), { recursive: true })
    return new ArchiveTarget(path, await LayoutTarget.open(stagingOf(path), path))
  }

  hasManifest(): Promise<boolean> {
    return this.#staged.hasManifest()
  }

  putBlob(blob: BlobToPut): Promise<BlobOutcome> {
    return this.#staged.putBlob(blob)
  }

  async putManifest(manifest: ImageManifest, reference: string | undefined): Promise<void> {
    await this.#staged.putManifest(manifest, reference)
    this.#manifests.push(manifest)
    if (reference !== undefined || manifest.subject !== undefined) this.#added.push({ manifest, reference })
  }

  /** Replaces the file. */
  async finish(isComplete: boolean): Promise<void> {
    if (!isComplete) return
    const temporary = `${this.#path}.${process.pid}.new`
    const file = await open(temporary, 'w', 0o644)
    try {
      await this.#write(file)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, this.#path)
    await rm(stagingOf(this.#path), { recursive: true })
  }

  async #write(file: FileHandle): Promise<void> {
    const add = async (path: string, text: string) => {
      const bytes = Buffer.from(text)
      await file.appendFile(Buffer.concat([tarHeader(path, bytes.length), bytes, tarPadding(bytes.length)]))
    }
    await add(LAYOUT_FILE, LAYOUT_VERSION)
    await add(INDEX_FILE, this.#index())
    await add('manifest.json', JSON.stringify(dockerManifests(this.#added)))
    const staged = new FolderTree(stagingOf(this.#path))
    for (const path of this.#blobPaths()) {
      const size = await staged.size(path)
      if (size === undefined) continue // what its URLs provide
      await file.appendFile(tarHeader(path, size))
      for await (const chunk of staged.open(path, 0)) await file.appendFile(chunk)
      await file.appendFile(tarPadding(size))
    }
    await file.appendFile(TAR_END)
  }

  #index(): string {
    let entries: Parameters<typeof withEntry>[0] = []
    const all = this.#added.length > 0 ? this.#added : this.#manifests.slice(-1).map(unnamed)
    for (const { manifest, reference: name } of all) {
      const { mediaType, digest, payload } = manifest
      entries = withEntry(entries, { mediaType, digest, size: payload.length, name })
    }
    return indexText(entries)
  }

  #blobPaths(): Set<string> {
    const paths = this.#manifests.flatMap(({ digest, references }) => [
      ...references.map(({ descriptor }) => blobPath(descriptor.digest)),
      blobPath(digest),
    ])
    return new Set(paths)
  }
}

function unnamed(manifest: ImageManifest): Added {
  return { manifest, reference: undefined }
}

/** The entries of `manifest.json`, of images that have a config and layers.
 *  https://github.com/moby/moby/blob/master/image/spec/spec.md */
function dockerManifests(added: readonly Added[]) {
  return added.flatMap(({ manifest, reference }) => {
    const [config, ...layers] = manifest.references.map(({ descriptor }) => blobPath(descriptor.digest))
    const isImage = JSON.parse(Buffer.from(manifest.payload).toString()).config !== undefined
    if (!isImage || config === undefined) return []
    return [{ Config: config, RepoTags: reference === undefined ? [] : [reference], Layers: layers }]
  })
}

function stagingOf(path: string): string {
  return `${path}.partial`
}
