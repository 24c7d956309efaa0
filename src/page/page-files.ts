import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { Page, PageFile } from '../core/page/page.ts'

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Where the build puts the page: beside the compiled code, or below the project if the source runs. */
const FOLDERS = ['../ui/', '../../dist/ui/'].map((folder) => fileURLToPath(new URL(folder, import.meta.url)))

/** The built page, in memory: some hundred kilobytes.
 *  @param basePath the path at which clients see it, with slashes at both ends
 *  @returns undefined if the page was not built */
export async function readPage(
  basePath: string,
  folders: readonly string[] = FOLDERS,
): Promise<Page | undefined> {
  for (const folder of folders) {
    const files = await readFiles(folder, basePath)
    if (files.has('index.html')) return { file: (path) => files.get(path) }
  }
  return undefined
}

async function readFiles(folder: string, basePath: string): Promise<Map<string, PageFile>> {
  const names = await namesBelow(folder)
  const contents = new Map<string, Uint8Array>()
  for (const name of names) contents.set(name, await readFile(join(folder, name)))
  const files = new Map<string, PageFile>()
  for (const [name, content] of contents) {
    const mediaType = MEDIA_TYPES[extname(name)]
    if (mediaType === undefined) continue
    const file =
      name === 'index.html'
        ? compressed(withBase(content, basePath))
        : { identity: content, br: contents.get(`${name}.br`), gzip: contents.get(`${name}.gz`) }
    files.set(name, {
      mediaType,
      etag: `"${createHash('sha256').update(file.identity).digest('base64url').slice(0, 22)}"`,
      isImmutable: name.startsWith('assets/'),
      content: file,
    })
  }
  return files
}

/** Empty if there is no such folder. */
async function namesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** The document names its files relative to its base, which the configuration determines. Quotes and angle
 *  brackets are encoded in the path of a URL. */
function withBase(document: Uint8Array, basePath: string): Uint8Array {
  const text = Buffer.from(document).toString()
  return Buffer.from(text.replace('<head>', `<head><base href="${basePath.replaceAll('&', '&amp;')}">`))
}

function compressed(content: Uint8Array): PageFile['content'] {
  return { identity: content, br: brotliCompressSync(content), gzip: gzipSync(content, { level: 9 }) }
}
