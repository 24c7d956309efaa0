/** What the examples of docs/access-control.md promise. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { accessFiles, basic, bearer } from './support/access.ts'
import { entrepotMain, runEntrepot } from './support/command.ts'
import { listeningUrl } from './support/entrepot-process.ts'
import { OidcIssuer } from './support/oidc-issuer.ts'
import { ServerProcess } from './support/server-process.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const folder = fileURLToPath(new URL('../examples', import.meta.url))

async function start(name: string, more: Record<string, string> = {}) {
  const temporary = await temporaryFolder()
  const path = join(folder, name)
  const environment = {
    REGISTRY_HTTP_ADDR: '127.0.0.1:0',
    REGISTRY_HTTP_HOST: '',
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(temporary.path, 'data'),
    ...(await accessFiles(parse(readFileSync(path, 'utf8')).auth, temporary.path)),
    ...more,
  }
  const server = await ServerProcess.start({
    file: process.execPath,
    arguments: [entrepotMain, 'serve', path],
    environment,
    workingFolder: temporary.path,
    readyUrl: listeningUrl,
  })
  const ask = async (request: string, headers: Record<string, string> = {}) => {
    const [method, target] = request.split(' ')
    return fetch(`${server.url}${target}`, { method, headers })
  }
  return {
    ...{ path, environment, ask },
    folder: temporary.path,
    /** May they pull, push, delete? A word of the letters. */
    async rights(repository: string, headers: Record<string, string>): Promise<string> {
      const asked = {
        l: `GET /v2/${repository}/tags/list`,
        p: `POST /v2/${repository}/blobs/uploads/`,
        d: `DELETE /v2/${repository}/manifests/none`,
      }
      const rights: string[] = []
      for (const [letter, request] of Object.entries(asked)) {
        const { status } = await ask(request, headers)
        if (status !== 401 && status !== 403) rights.push(letter)
      }
      return rights.join('')
    },
    async [Symbol.asyncDispose]() {
      await server.kill()
      await temporary.remove()
    },
  }
}

const nobody = {}
const [alice, bob, carol, mallory] = ['alice', 'bob', 'carol', 'mallory'].map((user) => basic(user))

async function tableOf(
  started: { rights(repository: string, headers: Record<string, string>): Promise<string> },
  table: readonly (readonly [string, Record<string, string> | undefined, string])[],
) {
  for (const [repository, headers, expected] of table) {
    expect([repository, headers, await started.rights(repository, headers!)]).toEqual([
      repository,
      headers,
      expected,
    ])
  }
}

test('1: one user', async () => {
  await using started = await start('access-1-one-user.yml')
  await tableOf(started, [
    ['any/thing', alice, 'lpd'],
    ['any/thing', nobody, ''],
    ['any/thing', mallory, ''],
  ])
})

test('2: public images', async () => {
  await using started = await start('access-2-public.yml')
  await tableOf(started, [
    ['public/x', nobody, 'l'],
    ['public/x', carol, 'lp'],
    ['alice/x', alice, 'lpd'],
    ['alice/x', bob, ''],
    ['alice/x', nobody, ''],
    ['other', alice, ''],
  ])
})

test('3: teams and robots', async () => {
  await using started = await start('access-3-teams.yml')
  await tableOf(started, [
    ['web/app', alice, 'lpd'],
    ['web/app', bob, 'lpd'],
    ['web/app', carol, ''],
    ['data/sets', carol, 'lpd'],
    ['web/production', bob, 'l'],
    ['web/production', alice, 'lp'],
    ['base/debian', carol, 'l'],
    ['base/debian', nobody, ''],
  ])
  const args = [
    'robot',
    'create',
    'deploy',
    '--repository',
    'web/**',
    '--action',
    'pull',
    '--expires',
    '365d',
  ]
  const made = await runEntrepot([...args, started.path], { environment: started.environment })
  const secret = /secret {2}(\S+)/.exec(made.stdout)?.[1] ?? ''
  expect(await started.rights('web/app', basic('robot+deploy', secret))).toBe('l')
  expect(await started.rights('data/sets', basic('robot+deploy', secret))).toBe('')
  expect(readFileSync(join(started.folder, 'audit.log'), 'utf8')).toContain(
    '"user":"robot+deploy","kind":"robot"',
  )
})

const tokenFor = async (
  started: { ask(request: string, headers?: Record<string, string>): Promise<Response> },
  headers: Record<string, string>,
  repository: string,
): Promise<Record<string, string>> => {
  const scope = `repository:${repository}:pull,push,delete`
  const answer = await started.ask(`GET /auth/token?service=registry.example.com&scope=${scope}`, headers)
  return bearer(((await answer.json()) as { token: string }).token)
}

test('4: tokens', async () => {
  await using started = await start('access-4-tokens.yml')
  const challenge = (await started.ask('GET /v2/')).headers.get('www-authenticate')
  expect(challenge).toMatch(/^Bearer realm="http:.*\/auth\/token",service="registry\.example\.com"$/)
  expect(await started.rights('a', await tokenFor(started, alice!, 'a'))).toBe('lpd')
  expect(await started.rights('b', await tokenFor(started, alice!, 'a'))).toBe('')
  expect(await started.rights('public/x', await tokenFor(started, nobody, 'public/x'))).toBe('l')
})

test('5: jobs of a platform', async () => {
  await using platform = await OidcIssuer.start({ repository: 'acme/app', repository_owner: 'acme' })
  await using started = await start('access-5-ci.yml', { REGISTRY_AUTH_OIDC_0_ISSUER: platform.url })
  const job = basic('ci', await platform.token('https://registry.example.com'))
  expect(await started.rights('acme/app', await tokenFor(started, job, 'acme/app'))).toBe('lp')
  expect(await started.rights('acme/lib', await tokenFor(started, job, 'acme/lib'))).toBe('l')
  expect(await started.rights('other', await tokenFor(started, job, 'other'))).toBe('')
  expect(await started.rights('other', alice!)).toBe('lpd')
})
