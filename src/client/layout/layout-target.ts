import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Digest, Digester, hashAlgorithmOf } from '../../core/digest.ts'
import { textOf, updateFile } from '../../lib/files/atomic-write.ts'
import { temporaryName, withFileLock } from '../../lib/files/file-lock.ts'
import type { BlobOutcome, BlobToPut, ImageManifest, ImageTarget } from '../copy/image-store.ts'
import { entriesOf, INDEX_FILE, indexText, LAYOUT_FILE, LAYOUT_VERSION, withEntry } from './layout-index.ts'
import { blobPath } from './layout-source.ts'

/** Bytes of a blob that is not whole yet; another run continues it. */
const PARTIAL = '.partial'
/** How long another process may take to fetch the same blob. */
const LOCK_TIMEOUT_MS = 60 * 60_000

/** An OCI layout in a folder, to which images are added. */
export class LayoutTarget implements ImageTarget {
  readonly name: string
  readonly location = undefined
  readonly #path: string
  readonly #added: { manifest: ImageManifest; reference: string | undefined }[] = []

  private constructor(path: string, name: string) {
    this.#path = path
    this.name = name
  }

  /** Makes the folder if it is not there. */
  static async open(path: string, name = path): Promise<LayoutTarget> {
    await mkdir(join(path, 'blobs', 'sha256'), { recursive: true })
    await writeFile(join(path, LAYOUT_FILE), LAYOUT_VERSION, { flag: 'wx' }).catch((error) => {
      if (error.code !== 'EEXIST') throw error
    })
    return new LayoutTarget(path, name)
  }

  /** What it needs may have been removed, so it counts only together with all of that. */
  async hasManifest(): Promise<boolean> {
    return false
  }

  async putBlob(blob: BlobToPut): Promise<BlobOutcome> {
    const { digest, size } = blob.descriptor
    const path = this.#pathOf(digest)
    if ((await sizeOf(path)) === size) return 'existing'
    await mkdir(dirname(path), { recursive: true })
    const outcome = await withFileLock(
      `${path}${PARTIAL}`,
      async (): Promise<BlobOutcome> => {
        if ((await sizeOf(path)) === size) return 'existing'
        await this.#fetch(path, blob)
        return 'copied'
      },
      { timeoutMs: LOCK_TIMEOUT_MS },
    )
    return outcome
  }

  /** Its reference is written by `finish`. */
  async putManifest(manifest: ImageManifest, reference: string | undefined): Promise<void> {
    const path = this.#pathOf(manifest.digest)
    await mkdir(dirname(path), { recursive: true })
    await writeDurably(path, manifest.payload)
    if (reference !== undefined || manifest.subject !== undefined) this.#added.push({ manifest, reference })
  }

  /** Other processes may add images at the same time. */
  async finish(): Promise<void> {
    await updateFile(join(this.#path, INDEX_FILE), (text) => {
      let entries = text === '' ? [] : entriesOf(text, this.name)
      for (const { manifest, reference: name } of this.#added) {
        const { mediaType, digest, payload } = manifest
        entries = withEntry(entries, { mediaType, digest, size: payload.length, name })
      }
      return indexText(entries)
    })
  }

  /** Continues the bytes that an earlier attempt has left. */
  async #fetch(path: string, { descriptor, open: openFrom, onPosition }: BlobToPut): Promise<void> {
    const partial = `${path}${PARTIAL}`
    const digester = new Digester(hashAlgorithmOf(descriptor.digest))
    let position = 0
    for await (const chunk of existing(partial)) {
      digester.update(chunk)
      position += chunk.length
    }
    const file = await open(partial, 'a', 0o644)
    try {
      if (position === 0 || position < descriptor.size)
        for await (const chunk of openFrom(position)) {
          await file.appendFile(chunk)
          digester.update(chunk)
          position += chunk.length
          onPosition(position)
        }
      await file.datasync()
    } finally {
      await file.close()
    }
    if (digester.digest() !== descriptor.digest) {
      await rm(partial)
      throw new Error(`${descriptor.digest}: other bytes have arrived; they were removed`)
    }
    await rename(partial, path)
  }

  #pathOf(digest: Digest): string {
    return join(this.#path, blobPath(digest))
  }
}

async function* existing(path: string): AsyncIterable<Uint8Array> {
  if ((await sizeOf(path)) !== undefined) yield* createReadStream(path)
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const partial = temporaryName(path)
  const file = await open(partial, 'w', 0o644)
  try {
    await file.writeFile(bytes)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(partial, path)
}

/** True if the folder has a layout. */
export async function isLayout(path: string): Promise<boolean> {
  return (await textOf(join(path, LAYOUT_FILE)).catch(() => '')) !== ''
}
