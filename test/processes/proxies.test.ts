/** `examples/proxies`: what docs/deploy/proxies.md promises of each, with the proxy from Debian. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { request as requestByTls } from 'node:https'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { digestOf } from '../../src/core/digest.ts'
import { basic, htpasswdOf } from '../support/access.ts'
import { Authority } from '../support/authority.ts'
import { entrepotMain } from '../support/command.ts'
import { describeWith } from '../support/describe-with.ts'
import { listeningUrl } from '../support/entrepot-process.ts'
import { freePort } from '../support/free-port.ts'
import { Http2Client } from '../support/http2-client.ts'
import { ServerProcess } from '../support/server-process.ts'
import { filesBelow } from '../support/storage-tree.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { requireTool } from '../support/tools.ts'

const examples = fileURLToPath(new URL('../../examples', import.meta.url))
const fileOf = (name: string) => readFileSync(join(examples, 'proxies', name), 'utf8')
const MIB = 1024 * 1024
/** Whom the proxy is asked by. */
const CLIENT = '127.0.0.9'

/** What a proxy is started with, in a folder of its own. */
interface Place {
  readonly folder: string
  readonly port: number
  /** `host:port` of the registry. */
  readonly registry: string
  /** PEM files. */
  readonly certificate: string
  readonly key: string
  /** Both in one. */
  readonly pem: string
}

interface Proxy {
  readonly tool: string
  /** In `examples/`. */
  readonly config: string
  readonly prefix?: string
  start(place: Place): Promise<ServerProcess>
}

/** An example as it would stand on a machine, with a test's files and addresses in place of its own.
 *  @throws Error for one that is not in it */
function adapted(text: string, changes: Readonly<Record<string, string>>): string {
  let changed = text
  for (const [from, to] of Object.entries(changes)) {
    if (!changed.includes(from)) throw new Error(`the example has no ${from}`)
    changed = changed.replaceAll(from, to)
  }
  return changed
}

function nginx(file: string): Proxy['start'] {
  return async ({ folder, port, registry, certificate, key }) => {
    const site = adapted(fileOf(file), {
      'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
      '127.0.0.1:5000': registry,
      '/etc/nginx/registry.crt': certificate,
      '/etc/nginx/registry.key': key,
    })
    await writeFile(join(folder, 'site.conf'), site)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    // As root, whose folder others can't read; anybody else is not asked.
    const main = `
      ${process.getuid?.() === 0 ? 'user root;' : ''}
      daemon off;
      pid ${join(folder, 'nginx.pid')};
      error_log stderr notice;
      events {}
      http {
        access_log off;
        ${temporary.map((name) => `${name}_temp_path ${join(folder, name)};`).join('\n')}
        include ${join(folder, 'site.conf')};
      }`
    await writeFile(join(folder, 'nginx.conf'), main)
    return ServerProcess.start({
      file: requireTool('nginx'),
      arguments: ['-c', join(folder, 'nginx.conf'), '-p', folder],
      readyUrl: (line) => (/start worker process \d/.test(line) ? `https://127.0.0.1:${port}` : undefined),
    })
  }
}

const proxies: Readonly<Record<string, Proxy>> = {
  nginx: { tool: 'nginx', config: 'proxies/config.yml', start: nginx('nginx.conf') },
  'nginx, below a path': {
    tool: 'nginx',
    config: 'behind-a-proxy.yml',
    prefix: '/registry',
    start: nginx('nginx-prefix.conf'),
  },
  HAProxy: {
    tool: 'haproxy',
    config: 'proxies/config.yml',
    start: ({ port, registry, pem }) =>
      ServerProcess.start({
        file: requireTool('haproxy'),
        arguments: ['-W', '-db', '-f', join(examples, 'proxies/haproxy.cfg')],
        environment: { LISTEN: `127.0.0.1:${port}`, ENTREPOT: registry, CERTIFICATE: pem },
        readyUrl: (line) => (/Loading success/.test(line) ? `https://127.0.0.1:${port}` : undefined),
      }),
  },
  Traefik: {
    tool: 'traefik',
    config: 'proxies/config.yml',
    async start({ folder, port, registry, certificate, key }) {
      const routes = adapted(fileOf('traefik-registry.yml'), {
        'Host(`registry.example.com`)': 'PathPrefix(`/`)',
        'http://127.0.0.1:5000': `http://${registry}`,
        '/etc/traefik/registry.crt': certificate,
        '/etc/traefik/registry.key': key,
      })
      await writeFile(join(folder, 'registry.yml'), routes)
      const main = adapted(fileOf('traefik.yml'), {
        ':443': `127.0.0.1:${port}`,
        '/etc/traefik/registry.yml': join(folder, 'registry.yml'),
      })
      await writeFile(join(folder, 'traefik.yml'), `${main}\nlog:\n  level: INFO\n`)
      return ServerProcess.start({
        file: requireTool('traefik'),
        arguments: [`--configfile=${join(folder, 'traefik.yml')}`],
        readyUrl: (line) => (/Starting server/.test(line) ? `https://127.0.0.1:${port}` : undefined),
      })
    },
  },
}

test('the files for Traefik are of one registry', () => {
  const { entryPoints, providers } = parse(fileOf('traefik.yml'))
  const { http } = parse(fileOf('traefik-registry.yml'))
  const { entryPoints: used, service, middlewares } = http.routers.registry
  expect(Object.keys(entryPoints)).toEqual(used)
  expect(http.services).toHaveProperty(service)
  for (const name of middlewares) expect(http.middlewares).toHaveProperty(name)
  expect(providers.file.filename).toBe('/etc/traefik/registry.yml')
})

for (const [name, proxy] of Object.entries(proxies)) {
  describeWith([proxy.tool], name, () => {
    let folder: TemporaryFolder
    let registry: ServerProcess
    let server: ServerProcess
    let ca: string
    let v2: string
    const login = basic('alice')

    beforeAll(async () => {
      folder = await temporaryFolder()
      const authority = await Authority.create('the authority')
      const { cert, key } = await authority.issue('proxy')
      ca = authority.cert
      const at = (file: string) => join(folder.path, file)
      await writeFile(at('proxy.crt'), cert)
      await writeFile(at('proxy.key'), key)
      await writeFile(at('proxy.pem'), `${cert}\n${key}`)
      await writeFile(at('users'), htpasswdOf(['alice']))
      const port = await freePort()
      const auth = { htpasswd: { realm: 'here', path: at('users') }, issuer: { keys: at('keys.json') } }
      const { http } = parse(readFileSync(join(examples, proxy.config), 'utf8'))
      registry = await ServerProcess.start({
        file: process.execPath,
        arguments: [entrepotMain, 'serve', join(examples, proxy.config)],
        environment: {
          REGISTRY_HTTP_ADDR: '127.0.0.1:0',
          REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: at('data'),
          REGISTRY_AUTH: JSON.stringify(auth),
          REGISTRY_LOG_ACCESSLOG_DISABLED: 'false',
          ...(http.host && { REGISTRY_HTTP_HOST: `https://127.0.0.1:${port}` }),
        },
        workingFolder: folder.path,
        readyUrl: listeningUrl,
      })
      await mkdir(at('proxy'))
      server = await proxy.start({
        ...{ folder: at('proxy'), port, registry: registry.address },
        ...{ certificate: at('proxy.crt'), key: at('proxy.key'), pem: at('proxy.pem') },
      })
      v2 = `${server.url}${proxy.prefix ?? ''}/v2/`
      // A proxy that looks whether the registry is there has done so by then.
      await vi.waitFor(async () => expect((await send('GET', v2)).status).toBe(401), { timeout: 30_000 })
    })
    afterAll(async () => {
      await server?.kill()
      await registry?.kill()
      await folder?.remove()
    })

    interface Parts {
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: Uint8Array
    }

    async function send(method: string, url: string, { headers = {}, body }: Parts = {}) {
      const outgoing = open(method, url, { ...headers, ...(body && { 'content-length': `${body.length}` }) })
      outgoing.end(body)
      const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
      return {
        status: incoming.statusCode,
        headers: incoming.headers,
        body: await buffer(incoming),
      }
    }

    function open(method: string, url: string, headers: Readonly<Record<string, string>>) {
      const by = url.startsWith('https:') ? requestByTls : request
      return by(url, { method, headers, ca, localAddress: CLIENT, agent: false })
    }

    async function beginUpload(): Promise<string> {
      const begun = await send('POST', `${v2}team/app/blobs/uploads/`, {
        headers: login,
        body: Buffer.alloc(0),
      })
      expect(begun.status).toBe(202)
      const location = new URL(begun.headers.location ?? '', v2)
      expect(location.href.startsWith(`${v2}team/app/blobs/uploads/`)).toBe(true)
      return location.href
    }

    test('clients are sent to where they asked, whatever they say of that themselves', async () => {
      const headers = {
        forwarded: 'for=192.0.2.1;host=evil.example.com;proto=http',
        'x-forwarded-for': '192.0.2.2',
        'x-forwarded-host': 'evil.example.com',
        'x-forwarded-proto': 'http',
        'user-agent': 'a liar',
      }
      const answer = await send('GET', v2, { headers })
      const realm = `Bearer realm="${server.url}${proxy.prefix ?? ''}/auth/token"`
      expect(answer.headers['www-authenticate']?.slice(0, realm.length)).toBe(realm)
      const expected = { 'http.request.clientaddr': CLIENT, 'http.response.status': 401 }
      await expect.poll(() => lineOf('a liar')).toMatchObject(expected)
    })

    function lineOf(userAgent: string): unknown {
      const line = registry.output
        .split('\n')
        .find((text) => text.includes(`"http.request.useragent":"${userAgent}"`))
      return line && JSON.parse(line)
    }

    test('a large layer is pushed and pulled, whole and in part', async () => {
      const bytes = randomBytes(24 * MIB)
      const upload = await beginUpload()
      const finish = `${upload}${upload.includes('?') ? '&' : '?'}digest=${digestOf(bytes)}`
      expect((await send('PUT', finish, { headers: login, body: bytes })).status).toBe(201)
      const blob = `${v2}team/app/blobs/${digestOf(bytes)}`
      const pulled = await send('GET', blob, { headers: login })
      expect([pulled.status, digestOf(pulled.body)]).toEqual([200, digestOf(bytes)])
      const part = await send('GET', blob, { headers: { ...login, range: 'bytes=1000-1999' } })
      expect([part.status, part.body.equals(bytes.subarray(1000, 2000))]).toEqual([206, true])
    })

    test('bytes reach the registry while the client still sends', async () => {
      const upload = await beginUpload()
      const patch = open('PATCH', upload, { ...login, 'content-length': `${8 * MIB}` })
      patch.write(randomBytes(4 * MIB))
      await expect.poll(() => uploadedBytes(upload)).toBeGreaterThan(MIB)
      patch.end(randomBytes(4 * MIB))
      const [answer] = (await once(patch, 'response')) as [IncomingMessage]
      answer.resume()
      expect(answer.statusCode).toBe(202)
    })

    /** What the registry has of it on its disk. */
    async function uploadedBytes(location: string): Promise<number> {
      const id = /uploads\/([^/?]+)/.exec(location)?.[1] ?? ''
      const files = await filesBelow(join(folder.path, 'data'))
      const data = files.filter((file) => file.includes(`${id}/data`))
      const sizes = await Promise.all(
        data.map(async (file) => (await stat(join(folder.path, 'data', file))).size),
      )
      return Math.max(0, ...sizes)
    }

    test('HTTP/2 pushes and pulls', async () => {
      const bytes = randomBytes(4 * MIB)
      using client = await Http2Client.connect(server.url, { ca })
      const path = new URL(v2).pathname
      const pushed = await client.send(`POST ${path}team/h2/blobs/uploads/?digest=${digestOf(bytes)}`, {
        headers: login,
        body: bytes,
      })
      expect(pushed.status).toBe(201)
      const pulled = await client.send(`GET ${path}team/h2/blobs/${digestOf(bytes)}`, { headers: login })
      expect([pulled.status, digestOf(pulled.body)]).toEqual([200, digestOf(bytes)])
    })

    if (proxy.prefix !== undefined) {
      test('outside of the path there is no registry, which docker would ask', async () => {
        const manifest = `${server.url}/v2${proxy.prefix}/team/app/manifests/latest`
        expect((await send('GET', manifest, { headers: login })).status).toBe(404)
        expect((await send('GET', `${registry.url}/v2/`, { headers: login })).status).toBe(404)
      })
    }
  })
}
