/** How the web page is served, over a small one that stands for the built one. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readPage } from '../../src/page/page-files.ts'
import { HttpRegistry, refusal } from '../support/http-registry.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

const script = 'export const answer = 42\n'.repeat(50)
const style = 'p { color: green }'.repeat(50)
const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

let folder: TemporaryFolder
let registry: HttpRegistry

beforeAll(async () => {
  folder = await temporaryFolder()
  await mkdir(join(folder.path, 'assets'))
  await writeFile(join(folder.path, 'index.html'), '<!doctype html><html><head></head></html>')
  await writeFile(join(folder.path, 'assets/main-1a2b.js'), script)
  await writeFile(join(folder.path, 'assets/main-1a2b.js.gz'), gzipSync(script))
  await writeFile(join(folder.path, 'assets/style-3c4d.css'), style)
  await writeFile(join(folder.path, 'assets/style-3c4d.css.br'), brotliCompressSync(style))
  await writeFile(join(folder.path, 'notes.txt'), 'no part of the page')
  registry = await HttpRegistry.start({ page: await readPage('/ui/', [folder.path]) })
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await folder.remove()
})

test.each(['/ui/', '/ui/r/web/shop:v1', '/ui/operations?x=1', '/ui/index.html'])(
  '%s is the document, which may load and run nothing but its own files',
  async (path) => {
    const { status, headers, body } = await registry.send(`GET ${path}`)
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(body.toString()).toContain('<head><base href="/ui/">')
    expect(headers['cache-control']).toBe('no-cache')
    const policy = String(headers['content-security-policy']).split('; ')
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).toContain("require-trusted-types-for 'script'")
    expect(policy.join()).not.toMatch(/unsafe|http|\*|data:/)
  },
)

test('files with a hash in their name are kept for ever', async () => {
  const { headers } = await registry.send('GET /ui/assets/main-1a2b.js')
  expect(headers['cache-control']).toBe('public, max-age=31536000, immutable')
  expect(headers['content-type']).toBe('text/javascript; charset=utf-8')
})

test.each(['/ui/assets/main-9z.js', '/ui/assets/../../package.json', '/ui/assets/main-1a2b.js.gz'])(
  '%s is not there',
  async (path) => {
    expect(refusal(await registry.send(`GET ${path}`))).toBe('404 UNSUPPORTED')
  },
)

test('a file of another kind in the folder is not served', async () => {
  const { headers } = await registry.send('GET /ui/notes.txt')
  expect(headers['content-type']).toBe('text/html; charset=utf-8')
})

test('files are sent as they were compressed', async () => {
  const accepting = (encoding: string) => ({ headers: { 'accept-encoding': encoding } })
  const packed = await registry.send('GET /ui/assets/main-1a2b.js', accepting('br, gzip'))
  expect([packed.headers['content-encoding'], packed.headers.vary]).toEqual(['gzip', 'accept-encoding'])
  expect(gunzipSync(packed.body).toString()).toBe(script)
  const smaller = await registry.send('GET /ui/assets/style-3c4d.css', accepting('gzip, br'))
  expect(smaller.headers['content-encoding']).toBe('br')
  expect(brotliDecompressSync(smaller.body).toString()).toBe(style)
  const document = await registry.send('GET /ui/', accepting('gzip, br'))
  expect(document.headers['content-encoding']).toBe('gzip')
  expect(gunzipSync(document.body).toString()).toContain('<base')
  const plain = await registry.send('GET /ui/assets/main-1a2b.js', accepting('br;q=0, gzip;q=0'))
  expect(plain.body.toString()).toBe(script)
  expect(plain.headers.etag).not.toBe(packed.headers.etag)
})

test('what has not changed is not sent again', async () => {
  const { headers } = await registry.send('GET /ui/')
  const again = await registry.send('GET /ui/', { headers: { 'if-none-match': String(headers.etag) } })
  expect([again.status, again.body.length]).toEqual([304, 0])
  expect(again.headers['content-security-policy']).toBe(headers['content-security-policy'])
})

test('HEAD has the headers of GET', async () => {
  const [head, get] = [await registry.send('HEAD /ui/'), await registry.send('GET /ui/')]
  expect([head.status, head.headers.etag, head.body.length]).toEqual([200, get.headers.etag, 0])
  expect(head.headers['content-length']).toBe(get.headers['content-length'])
})

test.each(['POST', 'PUT', 'DELETE'])('%s is refused', async (method) => {
  const answer = await registry.send(`${method} /ui/`)
  expect([refusal(answer), answer.headers.allow]).toEqual(['405 UNSUPPORTED', 'GET, HEAD'])
})

test('/ui leads to /ui/', async () => {
  const { status, headers } = await registry.send('GET /ui')
  expect([status, headers.location]).toEqual([301, '/ui/'])
})

test('only browsers are sent from / to the page', async () => {
  const browser = await registry.send('GET /', { headers: html })
  expect([browser.status, browser.headers.location]).toEqual([302, '/ui/'])
  for (const accept of [undefined, '*/*', 'application/json', 'text/*', 'text/html;q=0']) {
    const probe = await registry.send('GET /', { headers: accept === undefined ? {} : { accept } })
    expect([accept, probe.status, probe.body.length]).toEqual([accept, 200, 0])
  }
})

test('the prefix comes before the page, and not before the probe', async () => {
  const page = await readPage('/registry/ui/', [folder.path])
  await using prefixed = await HttpRegistry.start({ settings: { prefix: '/registry' }, page })
  expect((await prefixed.send('GET /', { headers: html })).headers.location).toBe('/registry/ui/')
  expect((await prefixed.send('GET /registry/ui')).headers.location).toBe('/registry/ui/')
  expect((await prefixed.send('GET /registry/ui/')).body.toString()).toContain('<base href="/registry/ui/">')
  expect((await prefixed.send('GET /ui/')).status).toBe(404)
})

test('without the page, nothing of it is there', async () => {
  await using bare = await HttpRegistry.start()
  expect(refusal(await bare.send('GET /ui/'))).toBe('404 UNSUPPORTED')
  expect(refusal(await bare.send('GET /ui'))).toBe('404 UNSUPPORTED')
  const root = await bare.send('GET /', { headers: html })
  expect([root.status, root.body.length]).toEqual([200, 0])
})

test('a page that was not built says so', async () => {
  await using unbuilt = await HttpRegistry.start({
    page: await readPage('/ui/', [join(folder.path, 'absent')]),
  })
  const { status, body } = await unbuilt.send('GET /ui/r/web/shop')
  expect([status, body.toString()]).toEqual([200, expect.stringContaining('npm run build')])
})
