/** `entrepot serve` with `http.tls`, as a process of its own. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Authority } from './support/authority.ts'
import { runEntrepot } from './support/command.ts'
import { startEntrepot } from './support/entrepot-process.ts'
import { Http2Client } from './support/http2-client.ts'
import { sha256 } from './support/oci-image.ts'
import { writeConfig } from './support/registry-process.ts'
import type { ServerProcess } from './support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from './support/temporary-folder.ts'

let folder: TemporaryFolder
let authority: Authority
beforeEach(async () => {
  folder = await temporaryFolder()
  authority = await Authority.create('the authority')
  await writeFiles('first')
})
afterEach(() => folder.remove())

const at = (name: string) => join(folder.path, name)

async function writeFiles(subject: string): Promise<void> {
  const { cert, key } = await authority.issue(subject)
  await writeFile(at('tls.crt'), cert)
  await writeFile(at('tls.key'), key)
}

const options = (changes: object = {}, { auth, workers = 1 }: { auth?: object; workers?: number } = {}) => {
  const tls = { certificate: at('tls.crt'), key: at('tls.key'), ...changes }
  return {
    dataFolder: at('data'),
    configFolder: folder.path,
    config: { http: { addr: '127.0.0.1:0', tls, workers }, ...(auth && { auth }) },
  }
}

async function subjectOf(server: ServerProcess): Promise<string> {
  const { port } = new URL(server.url)
  const socket = connect({ host: 'localhost', port: Number(port), ca: authority.cert })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

test('says that it is reached by https', async () => {
  await using server = await startEntrepot(options())
  expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
})

test('takes another certificate on SIGHUP, while a download goes on', async () => {
  await using server = await startEntrepot(options())
  using client = await Http2Client.connect(server.url, { ca: authority.cert })
  const bytes = Buffer.alloc(48 * 1024 ** 2, 'x')
  const path = `/v2/a/blobs/${sha256(bytes)}`
  const pushed = await client.send(`POST /v2/a/blobs/uploads/?digest=${sha256(bytes)}`, { body: bytes })
  expect(pushed.status).toBe(201)
  const { hostname, port } = new URL(server.url)
  const outgoing = request({ hostname, port, path, agent: false, ca: authority.cert }).end()
  const [incoming] = await once(outgoing, 'response')
  await once(incoming, 'readable')
  await writeFiles('second')
  process.kill(server.pid, 'SIGHUP')
  await expect.poll(() => subjectOf(server), { timeout: 10_000 }).toBe('second')
  let size = 0
  for await (const chunk of incoming) size += chunk.length
  expect(size).toBe(bytes.length)
  expect(await client.send(`HEAD ${path}`)).toMatchObject({ status: 200 })
  expect(await server.stop()).toBe(0)
})

test('keeps its certificate when the new one is none, and says so', async () => {
  await using server = await startEntrepot(options())
  await writeFile(at('tls.crt'), 'nonsense')
  process.kill(server.pid, 'SIGHUP')
  await expect
    .poll(() => server.output, { timeout: 10_000 })
    .toContain('http.tls.certificate is no certificate in PEM')
  expect(await subjectOf(server)).toBe('first')
})

test.each([
  [{ certificate: '/none/tls.crt' }, /^entrepot: http\.tls\.certificate cannot be read: ENOENT.*\n$/],
  [{ key: '/none/tls.key' }, /^entrepot: http\.tls\.key cannot be read: ENOENT.*\n$/],
  [{ clientcas: ['/none/ca.pem'] }, /^entrepot: http\.tls\.clientcas cannot be read: ENOENT.*\n$/],
  [{ key: '' }, /http\.tls\.key: found "";? ?.*accepted: the file of the key/],
])('%j keeps it from starting, and it says which key is wrong', async (changes, message) => {
  const { code, stdout, stderr } = await runEntrepot(['serve', await writeConfig('wrong', options(changes))])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(message)
})

test('so does a key of another certificate', async () => {
  const { key } = await authority.issue('another')
  await writeFile(at('tls.key'), key)
  const { code, stderr } = await runEntrepot(['serve', await writeConfig('wrong', options())])
  expect(code).toBe(1)
  expect(stderr).toBe('entrepot: http.tls.key is not the key of http.tls.certificate\n')
})

test.each(['h2', 'http/1.1'])('takes the certificate of a client for its user over %s', async (protocol) => {
  await writeFile(at('ca.pem'), authority.cert)
  const auth = {
    certificate: { user: 'commonname' },
    rules: [{ repositories: ['**'], who: ['alice'], actions: ['pull', 'push'] }],
  }
  const changes = { clientcas: [at('ca.pem')], clientauth: 'verify-client-cert-if-given' }
  await using server = await startEntrepot(options(changes, { auth }))
  const stranger = await Authority.create('a stranger')
  const statusFor = async (client: object) => {
    if (protocol === 'h2') {
      using connection = await Http2Client.connect(server.url, { ca: authority.cert, ...client })
      return (await connection.send('POST /v2/a/blobs/uploads/')).status
    }
    const { hostname, port } = new URL(server.url)
    const where = { hostname, port, path: '/v2/a/blobs/uploads/', method: 'POST', agent: false }
    const [incoming] = await once(request({ ...where, ca: authority.cert, ...client }).end(), 'response')
    incoming.resume()
    return incoming.statusCode
  }
  expect(await statusFor(await authority.issue('alice'))).toBe(202)
  expect(await statusFor(await authority.issue('bob'))).toBe(403)
  // There is nothing else by which it could prove who it is.
  expect(await statusFor({})).toBe(403)
  await expect(statusFor(await stranger.issue('alice'))).rejects.toThrow()
})

test('every worker takes the new certificate', async () => {
  await using server = await startEntrepot(options({}, { workers: 2 }))
  await writeFiles('second')
  process.kill(server.pid, 'SIGHUP')
  const subjects = () => Promise.all(Array.from({ length: 10 }, () => subjectOf(server)))
  await expect.poll(subjects, { timeout: 10_000 }).toEqual(Array.from({ length: 10 }, () => 'second'))
  using client = await Http2Client.connect(server.url, { ca: authority.cert })
  expect(await client.send('GET /v2/')).toMatchObject({ status: 200 })
  expect(await server.stop()).toBe(0)
})
