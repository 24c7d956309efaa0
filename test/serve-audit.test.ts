/** The audit log of a process whose clients hang up, and which is stopped while they are served. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { basic, htpasswdOf } from './support/access.ts'
import { startEntrepot } from './support/entrepot-process.ts'
import { RawConnection } from './support/raw-connection.ts'
import type { ServerProcess } from './support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from './support/temporary-folder.ts'

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

/** Enough for a client to leave before a password is found right or wrong. */
const SLOW_COST = 11

async function start(http: object = {}): Promise<ServerProcess> {
  const users = join(folder.path, 'users')
  await writeFile(users, htpasswdOf(['alice'], SLOW_COST))
  return startEntrepot({
    dataFolder: join(folder.path, 'data'),
    configFolder: folder.path,
    config: {
      http: { addr: '127.0.0.1:0', ...http },
      auth: {
        htpasswd: { realm: 'here', path: users },
        audit: { path: join(folder.path, 'audit.log') },
        rules: [{ repositories: ['a'], who: ['alice'], actions: ['*'] }],
      },
    },
  })
}

async function linesOf(method: string): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(join(folder.path, 'audit.log'), 'utf8')).split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line)).filter((line) => line.method === method)
}

async function connect(server: ServerProcess): Promise<RawConnection> {
  return RawConnection.open(Number(new URL(server.url).port))
}

const head = (request: string, authorization: string, ...more: string[]) =>
  [`${request} HTTP/1.1`, 'Host: localhost', `Authorization: ${authorization}`, ...more] as const

test.each([1, 2])(
  'clients that leave at once are written down as those who stay: %i workers',
  async (workers) => {
    await using server = await start({ workers })
    const index = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
    const headers = { ...basic('alice'), 'content-type': 'application/vnd.oci.image.index.v1+json' }
    const put = await fetch(`${server.url}/v2/a/manifests/v1`, { method: 'PUT', headers, body: index })
    expect(put.status).toBe(201)
    // Written in another way than before, so that the password is looked at.
    const written = basic('alice').authorization.replace(' ', '  ')
    for (const authorization of [basic('alice', 'wrong').authorization, written]) {
      using connection = await connect(server)
      connection.writeHead(...head('DELETE /v2/a/manifests/v1', authorization))
      connection.socket.end()
      await connection.closed
    }
    await expect.poll(async () => (await linesOf('DELETE')).length, { timeout: 20_000 }).toBe(2)
    const deletion = { action: 'delete', repository: 'a', tags: ['v1'], status: 499, address: '127.0.0.1' }
    const [first, second] = (await linesOf('DELETE')).sort((one, other) => +!!one.allowed - +!!other.allowed)
    expect(first).toMatchObject({
      ...deletion,
      user: '',
      claimedUser: 'alice',
      allowed: false,
      outcome: 'not done',
    })
    expect(second).toMatchObject({ ...deletion, user: 'alice', kind: 'user', allowed: true, outcome: 'done' })
    expect(second).not.toHaveProperty('claimedUser')
    expect((await fetch(`${server.url}/v2/a/manifests/v1`, { headers })).status).toBe(404)
  },
)

test.each([1, 2])('what the end of the process cuts off is written down: %i workers', async (workers) => {
  await using server = await start({ workers, draintimeout: '200ms' })
  const upload = await fetch(`${server.url}/v2/a/blobs/uploads/`, { method: 'POST', headers: basic('alice') })
  using connection = await connect(server)
  const { pathname } = new URL(upload.headers.get('location') ?? '', server.url)
  const { authorization } = basic('alice')
  connection.writeHead(
    ...head(`PATCH ${pathname}`, authorization, 'Content-Length: 8', 'Expect: 100-continue'),
  )
  await connection.until(/100 Continue/)
  connection.write('half')
  expect(await server.stop()).toBe(0)
  const cut = { user: 'alice', action: 'push', status: 499, allowed: true, outcome: 'failed' }
  expect(await linesOf('PATCH')).toMatchObject([cut])
})
