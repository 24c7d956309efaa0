import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ImageSource } from '../copy/image-store.ts'
import { INDEX_FILE, LAYOUT_FILE } from '../layout/layout-index.ts'
import { LayoutSource } from '../layout/layout-source.ts'
import { DockerArchive } from './docker-archive.ts'
import { TarTree } from './tar-tree.ts'

/** Opens an archive of images: an OCI layout, or what `docker save` wrote before Docker 25. A compressed one is
 *  unpacked to a temporary file.
 *  @throws UpstreamError INVALID or NOT_FOUND; Error of the system */
export async function openArchive(path: string): Promise<ImageSource & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    const tree = await TarTree.open(await unpacked(path, folder), path)
    const isLayout =
      (await tree.size(LAYOUT_FILE)) !== undefined && (await tree.size(INDEX_FILE)) !== undefined
    const source: ImageSource = isLayout
      ? await LayoutSource.open(tree)
      : await DockerArchive.open(tree, folder)
    return Object.assign(source, { [Symbol.asyncDispose]: remove })
  } catch (error) {
    await remove()
    throw error
  }
}

/** The path of the archive without compression. */
async function unpacked(path: string, folder: string): Promise<string> {
  const unpack = await decompression(path)
  if (unpack === undefined) return path
  const target = join(folder, 'archive.tar')
  await pipeline(createReadStream(path), unpack, createWriteStream(target))
  return target
}

async function decompression(path: string) {
  const [file, { createGunzip, createZstdDecompress }] = await Promise.all([open(path), import('node:zlib')])
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0)
    const magic = buffer.toString('hex')
    if (magic.startsWith('1f8b')) return createGunzip()
    return magic === '28b52ffd' ? createZstdDecompress() : undefined
  } finally {
    await file.close()
  }
}
