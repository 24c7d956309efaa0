/** Who did what to what, allowed or denied. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import { AuditFile } from '../../../src/observability/audit-log.ts'
import { basic, GuardedRegistry, issuerSettings, rule } from '../../support/access.ts'
import { quiet } from '../../support/http-registry.ts'
import { imageJson, payloadOf } from '../../support/manifest-json.ts'

let folder: string
let path: string
let audit: AuditFile
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-audit-'))
  path = join(folder, 'audit.log')
  audit = new AuditFile({ destination: path, log: quiet })
})
afterEach(async () => {
  await audit.close()
  await rm(folder, { recursive: true })
})

type Line = Record<string, unknown>

async function linesOf(file = path): Promise<Line[]> {
  return (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

const rules = [rule('a', 'alice', '*'), rule('public', 'anonymous', 'pull')]

test('no name controls the terminal in which the log is looked at, whoever vouches for it', async () => {
  const name = 'al\u009b2Jice'
  await using guarded = await GuardedRegistry.start({ users: [name], audit })
  await guarded.send('GET /v2/a/tags/list', name)
  await guarded.registry.stop(1000)
  await audit.close()
  expect(await linesOf()).toMatchObject([{ user: 'al?2Jice', allowed: true }])
})

test('every request has its line, with whom, what and whether', async () => {
  await using guarded = await GuardedRegistry.start({
    ...{ users: ['alice', 'bob'], audit },
    auth: { rules, issuer: issuerSettings(folder) },
  })
  for (const blob of ['config', 'layer one', 'layer two']) await guarded.pushBlob('a', blob, 'alice')
  const image = payloadOf(imageJson())
  const digest = digestOf(image)
  const headers = { 'content-type': MediaType.ociManifest, 'x-request-id': 'my-push' }
  await guarded.send('PUT /v2/a/manifests/v1', 'alice', { body: image, headers })
  await guarded.send(`PUT /v2/a/manifests/${digest}?tag=v2&tag=v3`, 'alice', { body: image, headers })
  await guarded.send('GET /v2/a/manifests/v1', 'alice')
  await guarded.send('GET /v2/a/manifests/v1', 'bob')
  await guarded.send('GET /v2/a/manifests/v1')
  await guarded.send(`DELETE /v2/a/manifests/${digest}`, 'alice')
  await guarded.send('GET /v2/public/tags/list')
  await guarded.send('GET /v2/_catalog', 'alice')
  await guarded.send('GET /auth/token?scope=repository:a:pull', 'alice')
  await guarded.registry.send('GET /v2/', { headers: basic('alice', 'wrong') })
  await guarded.send('GET /nowhere', 'alice')
  await guarded.registry.stop(1000)
  await audit.close()

  const alice = { user: 'alice', kind: 'user', address: '127.0.0.1', audit: true }
  const refused = { allowed: false, outcome: 'not done' }
  const lines = await linesOf()
  expect(lines.slice(0, 3)).toMatchObject(
    ['config', 'layer one', 'layer two'].map((blob) => ({
      ...alice,
      action: 'push',
      repository: 'a',
      digest: digestOf(Buffer.from(blob)),
      method: 'POST',
      status: 201,
      allowed: true,
    })),
  )
  expect(lines.slice(3)).toMatchObject([
    { ...alice, action: 'tag', repository: 'a', tags: ['v1'], digest, allowed: true, requestId: 'my-push' },
    { ...alice, action: 'tag', tags: ['v2', 'v3'], digest, allowed: true, outcome: 'done' },
    { ...alice, action: 'pull', tags: ['v1'], digest, status: 200, outcome: 'done' },
    { user: 'bob', action: 'pull', repository: 'a', tags: ['v1'], status: 403, ...refused },
    { user: '', kind: 'anonymous', action: 'pull', repository: 'a', status: 401, ...refused },
    { ...alice, action: 'delete', digest, status: 202, allowed: true, outcome: 'done' },
    {
      ...{ user: '', kind: 'anonymous', action: 'pull', repository: 'public', status: 404 },
      ...{ allowed: true, outcome: 'failed' },
    },
    { ...alice, action: 'catalog', status: 200 },
    { ...alice, action: 'token', status: 200 },
    { user: '', claimedUser: 'alice', action: 'login', status: 401, ...refused },
  ])
  expect(Date.parse(String(lines[0]?.time))).toBeGreaterThan(Date.now() - 60_000)
})

test('no secret is in it', async () => {
  await using guarded = await GuardedRegistry.start({ users: ['alice'], audit })
  const canary = 'c4nary'
  for (const authorization of [
    `Bearer ${canary}`,
    basic('alice', canary).authorization,
    basic('nobody', canary).authorization,
  ]) {
    await guarded.registry.send(`GET /v2/a/manifests/v1?token=${canary}`, { headers: { authorization } })
  }
  await guarded.registry.send(`POST /v2/a/blobs/uploads/?digest=sha256:x&s=${canary}`, {
    headers: basic('alice'),
  })
  await guarded.registry.stop(1000)
  await audit.close()
  const text = await readFile(path, 'utf8')
  expect(text.trimEnd().split('\n')).toHaveLength(4)
  expect(text).not.toContain(canary)
  expect(text).not.toContain(Buffer.from(`alice:${canary}`).toString('base64'))
})

test('a name that was not authenticated stands apart, and no name controls a terminal', async () => {
  await using guarded = await GuardedRegistry.start({
    ...{ users: ['alice'], audit },
    auth: { rules, issuer: issuerSettings(folder) },
  })
  const ask = (request: string, user: string) =>
    guarded.registry.send(request, { headers: basic(user, 'wrong') })
  await ask('GET /auth/token', 'alice')
  await ask('GET /v2/a/tags/list', 'm\x1b[31mallory\u009b\n')
  await ask('GET /v2/a/tags/list', 'x'.repeat(10_000))
  await ask(`GET /v2/a/manifests/%1b[31m${'x'.repeat(1000)}`, 'x')
  const form = 'grant_type=password&username=alice&password=wrong'
  expect((await guarded.registry.send('POST /auth/token', { body: form })).status).toBe(401)
  await guarded.registry.stop(1000)
  await audit.close()
  const nobody = { user: '', kind: 'anonymous', status: 401, allowed: false, outcome: 'not done' }
  const names = ['alice', 'm?[31mallory??', 'x'.repeat(128), 'x', 'alice']
  const lines = await linesOf()
  expect(lines).toMatchObject(names.map((claimedUser) => ({ ...nobody, claimedUser })))
  expect(lines[3]).toMatchObject({ tags: [`?[31m${'x'.repeat(123)}`] })
})

test('a file that is moved away is begun anew', async () => {
  await using guarded = await GuardedRegistry.start({ users: ['alice'], audit })
  await guarded.send('GET /v2/', 'alice')
  await expect.poll(async () => (await linesOf()).length).toBe(1)
  await rename(path, `${path}.1`)
  audit.reopen()
  expect(existsSync(path)).toBe(true)
  await guarded.send('GET /v2/', 'alice')
  await expect.poll(async () => (await linesOf()).length).toBe(1)
  expect(await linesOf(`${path}.1`)).toHaveLength(1)
})

test('a file that cannot be opened says which', () => {
  expect(() => new AuditFile({ destination: join(folder, 'no/such/folder'), log: quiet })).toThrow(
    /auth\.audit\.path: .*no\/such\/folder/,
  )
})
