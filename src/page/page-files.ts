import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Page, PageFile } from '../core/page/page.ts'

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Where the build puts the page: beside the compiled code, or below the project if the source runs. */
const FOLDERS = ['../ui/', '../../dist/ui/'].map((folder) => fileURLToPath(new URL(folder, import.meta.url)))

/** The built page, in memory: some hundred kilobytes. If it was not built, a page that says so.
 *  @param basePath the path at which clients see it, with slashes at both ends */
export async function readPage(basePath: string, folders: readonly string[] = FOLDERS): Promise<Page> {
  for (const folder of folders) {
    const files = await readFiles(folder, basePath)
    if (files.has('index.html')) return { file: (path) => files.get(path) }
  }
  const notice = fileOf('index.html', { identity: Buffer.from(NOT_BUILT), br: undefined, gzip: undefined })
  return { file: (path) => (path === 'index.html' ? notice : undefined) }
}

const NOT_BUILT =
  '<!doctype html><html lang="en"><head><title>Entrepot</title></head>' +
  '<body><p>This page is not built: run <code>npm run build:page</code>, and start the registry again.</p></body></html>'

async function readFiles(folder: string, basePath: string): Promise<Map<string, PageFile>> {
  const names = await namesBelow(folder)
  const read = names.map(async (name) => [name, await readFile(join(folder, name))] as const)
  const contents = new Map<string, Uint8Array>(await Promise.all(read))
  const files = new Map<string, PageFile>()
  for (const [name, content] of contents) {
    if (MEDIA_TYPES[extname(name)] === undefined) continue
    const encoded =
      name === 'index.html'
        ? documentOf(withBase(content, basePath))
        : { identity: content, br: contents.get(`${name}.br`), gzip: contents.get(`${name}.gz`) }
    files.set(name, fileOf(name, encoded))
  }
  return files
}

function fileOf(name: string, content: PageFile['content']): PageFile {
  return {
    mediaType: MEDIA_TYPES[extname(name)] as string,
    etag: `"${createHash('sha256').update(content.identity).digest('base64url').slice(0, 22)}"`,
    isImmutable: name.startsWith('assets/'),
    content,
  }
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
  return Buffer.from(
    text.replace('<head>', (head) => `${head}<base href="${basePath.replaceAll('&', '&amp;')}">`),
  )
}

/** It has a few lines, which are compressed at the start. */
function documentOf(content: Uint8Array): PageFile['content'] {
  return { identity: content, br: undefined, gzip: gzipSync(content) }
}
