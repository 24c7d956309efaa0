import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LoginStore } from './login-store.ts'

let folder: string
let env: Record<string, string>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entrepot-test-'))
  env = { HOME: folder, DOCKER_CONFIG: join(folder, 'docker') }
  await mkdir(join(folder, 'docker'))
  await mkdir(join(folder, '.config', 'containers'), { recursive: true })
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true })
})

const config = (content: object) => writeFile(join(folder, 'docker', 'config.json'), JSON.stringify(content))
const encoded = (login: string) => ({ auth: Buffer.from(login).toString('base64') })

/** Puts a credential helper on the path; it writes down what it is told. */
async function helper(name: string, script: string): Promise<void> {
  const path = join(folder, `docker-credential-${name}`)
  await writeFile(path, `#!/bin/sh\nread -r told; echo "$1 $told" >> "${folder}/told"\n${script}\n`)
  await chmod(path, 0o755)
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env.PATH}`)
}

test.each([
  ['its own name', 'registry.example:5000', 'registry.example:5000', 'a'],
  ['a URL', 'https://registry.example/v2/', 'registry.example', 'a'],
  ["Docker Hub's old URL", 'https://index.docker.io/v1/', 'docker.io', 'a'],
  ['another port', 'registry.example:5000', 'registry.example', undefined],
])("a login in Docker's file by %s", async (_title, key, host, username) => {
  await config({ auths: { [key]: encoded('a:b:c') } })
  const found = await new LoginStore(env).find(host)
  expect(found).toEqual(username && { username, password: 'b:c' })
})

test('an identity token takes the place of a password', async () => {
  await config({ auths: { 'registry.example': { identitytoken: 'token' } } })
  expect(await new LoginStore(env).find('registry.example')).toEqual({
    username: '<token>',
    password: 'token',
  })
})

test("Podman's files come after Docker's, and may name a part of a registry", async () => {
  const auths = { 'registry.example': encoded('whole:x'), 'registry.example/team': encoded('part:x') }
  await writeFile(join(folder, '.config', 'containers', 'auth.json'), JSON.stringify({ auths }))
  const store = new LoginStore(env)
  expect((await store.find('registry.example', 'team/app'))?.username).toBe('part')
  expect((await store.find('registry.example', 'teams/app'))?.username).toBe('whole')
  await writeFile(
    join(folder, 'named.json'),
    JSON.stringify({ auths: { 'registry.example': encoded('named:x') } }),
  )
  const named = new LoginStore({ ...env, REGISTRY_AUTH_FILE: join(folder, 'named.json') })
  expect((await named.find('registry.example', 'team/app'))?.username).toBe('named')
  await config({ auths: { 'registry.example': encoded('docker:x') } })
  expect((await named.find('registry.example'))?.username).toBe('docker')
})

test('a login is stored and removed, and the rest of the file stays', async () => {
  await config({ auths: { other: encoded('o:p') }, psFormat: 'x' })
  const store = new LoginStore(env)
  const path = await store.store('registry.example', { username: 'a', password: 'b' })
  expect(await store.find('registry.example')).toEqual({ username: 'a', password: 'b' })
  expect(await store.remove('registry.example')).toBe(true)
  expect(await store.remove('registry.example')).toBe(false)
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
    auths: { other: encoded('o:p') },
    psFormat: 'x',
  })
})

test('a helper is asked, stores and forgets; the file has no secret', async () => {
  await helper('own', `[ "$1" = get ] && echo '{"Username":"h","Secret":"s"}'; exit 0`)
  await config({ credHelpers: { 'registry.example': 'own' } })
  const store = new LoginStore(env)
  expect(await store.find('registry.example')).toEqual({ username: 'h', password: 's' })
  await store.store('registry.example', { username: 'a', password: 'secret' })
  await store.remove('registry.example')
  const told = (await readFile(join(folder, 'told'), 'utf8')).trim().split('\n')
  expect(told).toEqual([
    'get registry.example',
    'store {"ServerURL":"registry.example","Username":"a","Secret":"secret"}',
    'erase registry.example',
  ])
  expect(await readFile(join(folder, 'docker', 'config.json'), 'utf8')).not.toContain('secret')
})

test('a helper without the login is none; one that fails is an error', async () => {
  await helper('empty', 'echo "credentials not found in native keychain"; exit 1')
  await config({ credsStore: 'empty' })
  expect(await new LoginStore(env).find('registry.example')).toBeUndefined()
  await helper('broken', 'echo "locked: secret"; exit 3')
  await config({ credsStore: 'broken' })
  await expect(new LoginStore(env).find('registry.example')).rejects.toThrow(
    /^docker-credential-broken ended with 3$/,
  )
})
