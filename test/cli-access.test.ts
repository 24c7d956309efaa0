/** The commands that decide who may do what, as they are typed. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { verify } from '@node-rs/bcrypt'
import { describe, expect, test } from 'vitest'
import { basic } from './support/access.ts'
import { runEntrepot } from './support/command.ts'
import { startEntrepot } from './support/entrepot-process.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

describe('entrepot htpasswd', () => {
  test('adds a user and changes a password, and says it nowhere', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'users')
    const set = (user: string, input: string) => runEntrepot(['htpasswd', path, user], { input })
    const added = await set('alice', 'wonderland\n')
    expect(added).toMatchObject({ code: 0, stdout: '' })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await set('bob', 'builder')
    const changed = await set('alice', 'käse\r\n')
    const lines = (await readFile(path, 'utf8')).split('\n')
    expect(lines.map((line) => line.split(':')[0])).toEqual(['alice', 'bob', ''])
    expect(lines[0]).toMatch(/^alice:\$2b\$10\$/)
    expect(await verify('käse', lines[0]!.slice('alice:'.length))).toBe(true)
    expect(await verify('builder', lines[1]!.slice('bob:'.length))).toBe(true)
    expect(added.stderr + changed.stderr).not.toMatch(/wonderland|käse/)
  })

  test('leaves the rest of the file, and its mode, as they are, and names lines that let nobody in', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'users')
    await writeFile(path, '# ours\nbob:{SHA}abc=\n', { mode: 0o640 })
    const { code, stderr } = await runEntrepot(['htpasswd', path, 'alice'], { input: 'secret' })
    expect(code).toBe(0)
    expect(stderr).toContain('line 2: the password of bob is not hashed with bcrypt but with SHA-1')
    expect(await readFile(path, 'utf8')).toMatch(/^# ours\nbob:\{SHA\}abc=\nalice:\$2b\$/)
    expect((await stat(path)).mode & 0o777).toBe(0o640)
  })

  test.each([
    [['htpasswd'], '', 2],
    [['htpasswd', 'users'], '', 2],
    [['htpasswd', 'users', 'alice', 'secret'], '', 2],
    [['htpasswd', 'users', 'a:b'], 'x', 2],
    [['htpasswd', 'users', '#a'], 'x', 2],
    [['htpasswd', 'users', 'robot+a'], 'x', 2],
    [['htpasswd', 'users', 'alice'], '', 1],
    [['htpasswd', 'users', 'alice'], 'two\nlines', 1],
    [['htpasswd', 'users', 'alice'], 'x'.repeat(73), 1],
    [['htpasswd', 'no/such/folder', 'alice'], 'x', 1],
  ])('%j with %j changes nothing', async (args, input, expected) => {
    await using folder = await temporaryFolder()
    const { code, stderr } = await runEntrepot(args, { input, workingFolder: folder.path })
    expect([code, stderr]).toEqual([expected, expect.stringMatching(/^entrepot: /)])
    await expect(stat(join(folder.path, 'users'))).rejects.toThrow('ENOENT')
  })
})

describe('entrepot robot', () => {
  async function withConfig(folder: string): Promise<string> {
    const path = join(folder, 'config.yml')
    await writeFile(path, `version: 0.1\nstorage: inmemory\nauth: {robots: {path: ${folder}/robots.json}}\n`)
    return path
  }

  test('makes one that a running registry takes at once, lists it, and ends it', async () => {
    await using folder = await temporaryFolder()
    const robots = { path: join(folder.path, 'robots.json') }
    const config = { auth: { robots } }
    await using server = await startEntrepot({
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
      config,
    })
    const configPath = join(folder.path, 'entrepot.yml')
    const scope = ['--repository', 'ci/**', '-r', 'tools', '--action', 'pull,push']
    const made = await runEntrepot(['robot', 'create', 'builder', ...scope, configPath])
    expect(made.code).toBe(0)
    const secret = /^secret {2}(ent_[\w-]{43})$/m.exec(made.stdout)?.[1] ?? ''
    expect(made.stdout).toMatch(/^name {4}robot\+builder$/m)
    expect(await readFile(robots.path, 'utf8')).not.toContain(secret)
    expect((await stat(robots.path)).mode & 0o777).toBe(0o600)

    const begin = async (repository: string, headers = basic('robot+builder', secret)) =>
      (await fetch(`${server.url}/v2/${repository}/blobs/uploads/`, { method: 'POST', headers })).status
    expect(await begin('ci/app')).toBe(202)
    expect(await begin('tools')).toBe(202)
    expect(await begin('other')).toBe(403)
    expect(await begin('ci/app', basic('robot+builder', 'ent_wrong'))).toBe(401)
    expect(await begin('ci/app', basic('builder', secret))).toBe(401)

    const listed = await runEntrepot(['robot', 'list', configPath])
    expect(listed.stdout).toMatch(/^robot\+builder {2}pull,push of ci\/\*\*, tools {2}expires 20/)
    expect(listed.stdout).not.toContain(secret)
    expect((await runEntrepot(['robot', 'revoke', 'builder', configPath])).code).toBe(0)
    await expect.poll(() => begin('ci/app'), { timeout: 10_000 }).toBe(401)
    expect((await runEntrepot(['robot', 'list', configPath])).stdout).toBe('')
    expect(server.output).not.toContain(secret)
  })

  test('says when it ends', async () => {
    await using folder = await temporaryFolder()
    const path = await withConfig(folder.path)
    const expiryOf = async (name: string, ...expires: string[]) => {
      const args = ['robot', 'create', name, '-r', '**', '-a', 'pull', ...expires, path]
      return /^expires (.*)$/m.exec((await runEntrepot(args)).stdout)?.[1]
    }
    const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 13)
    expect((await expiryOf('standard'))?.slice(0, 13)).toBe(inDays(90))
    expect((await expiryOf('short', '--expires', '12h'))?.slice(0, 13)).toBe(inDays(0.5))
    expect((await expiryOf('long', '--expires', '365d'))?.slice(0, 13)).toBe(inDays(365))
    expect(await expiryOf('fixed', '--expires', '2999-01-31')).toBe('2999-01-31T00:00:00.000Z')
    expect(await expiryOf('eternal', '--expires', 'never')).toBe('never')
  })

  const scope = ['-r', 'a', '-a', 'pull']
  test.each([
    [['robot'], 2],
    [['robot', 'make', 'x'], 2],
    [['robot', 'create', ...scope], 2],
    [['robot', 'create', 'X', ...scope], 2],
    [['robot', 'create', 'x'], 2],
    [['robot', 'create', 'x', '-r', 'a'], 2],
    [['robot', 'create', 'x', '-r', 'a', '-a', 'fly'], 2],
    [['robot', 'create', 'x', '-r', 'a**', '-a', 'pull'], 2],
    [['robot', 'create', 'x', '-r', 'Team/**', '-a', 'pull'], 2],
    [['robot', 'create', 'x', ...scope, '-e', '2001-01-01'], 2],
    [['robot', 'create', 'x', ...scope, '-e', 'soon'], 2],
    [['robot', 'create', 'x', ...scope, '--secret', 'x'], 2],
    [['robot', 'list', '-r', 'a'], 2],
    [['robot', 'revoke', 'x'], 1],
  ])('%j is refused', async (args, expected) => {
    await using folder = await temporaryFolder()
    const environment = { REGISTRY_CONFIGURATION_PATH: await withConfig(folder.path) }
    const { code, stderr } = await runEntrepot(args, { environment })
    expect([code, stderr]).toEqual([expected, expect.stringMatching(/^entrepot: /)])
    await expect(stat(join(folder.path, 'robots.json'))).rejects.toThrow('ENOENT')
  })

  test('does not make two of one name', async () => {
    await using folder = await temporaryFolder()
    const path = await withConfig(folder.path)
    await runEntrepot(['robot', 'create', 'x', ...scope, path])
    const before = await readFile(join(folder.path, 'robots.json'), 'utf8')
    expect((await runEntrepot(['robot', 'create', 'x', ...scope, path])).code).toBe(1)
    expect(await readFile(join(folder.path, 'robots.json'), 'utf8')).toBe(before)
  })
})

describe('entrepot auth explain', () => {
  const rules = `
  groups: {team: [carol]}
  rules:
    - {repositories: ['public/**'], who: [anonymous], actions: [pull]}
    - {repositories: ['secret/**'], who: [bob], actions: []}
    - {repositories: ['**'], who: [bob, 'group:team', 'group:ci:acme'], actions: [pull, push]}
`
  const htpasswd = 'htpasswd: {realm: a, path: users}'

  test.each([
    [
      rules,
      ['alice', 'public/x', 'pull'],
      'allowed: auth.rules[0] decides (repositories public/**; who anonymous; actions pull), as for anonymous clients',
    ],
    [
      rules,
      ['anonymous', 'public/x', 'pull'],
      'allowed: auth.rules[0] decides (repositories public/**; who anonymous; actions pull)',
    ],
    [rules, ['alice', 'public/x', 'push'], 'denied: no rule matches'],
    [
      rules,
      ['bob', 'secret/x', 'pull'],
      'denied: auth.rules[1] decides (repositories secret/**; who bob; actions none)',
    ],
    [
      rules,
      ['bob', 'other', 'push'],
      'allowed: auth.rules[2] decides (repositories **; who bob group:team group:ci:acme; actions pull push)',
    ],
    [rules, ['bob', 'other', 'tag'], /^allowed: auth\.rules\[2\]/],
    [rules, ['bob', 'other', 'delete'], /^denied: auth\.rules\[2\]/],
    [rules, ['carol', 'other', 'pull'], /^allowed: auth\.rules\[2\]/],
    [rules, ['ci:acme/app', 'other', 'pull', '--group', 'ci:acme'], /^allowed: auth\.rules\[2\]/],
    [rules, ['ci:acme/app', 'other', 'pull'], 'denied: no rule matches'],
    ['', ['alice', 'x', 'delete'], 'allowed: there are no rules, so authenticated clients may do everything'],
    ['', ['anonymous', 'x', 'pull'], 'denied: there are no rules, so nothing is allowed without a login'],
  ])('%j %j', async (more, question, answer) => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'config.yml')
    await writeFile(path, `version: 0.1\nstorage: inmemory\nauth:\n  ${htpasswd}${more}`)
    const { code, stdout, stderr } = await runEntrepot(['auth', 'explain', ...question, path])
    expect([code, stderr]).toEqual([0, ''])
    if (typeof answer === 'string') expect(stdout).toBe(`${answer}\n`)
    else expect(stdout).toMatch(answer)
  })

  test('knows robots, and a registry that is open', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'config.yml')
    await writeFile(
      path,
      `version: 0.1\nstorage: inmemory\nauth: {robots: {path: ${folder.path}/robots.json}}\n`,
    )
    await runEntrepot(['robot', 'create', 'x', '-r', 'ci/*', '-a', 'push', path])
    const explain = async (...words: string[]) =>
      (await runEntrepot(['auth', 'explain', ...words, path])).stdout
    expect(await explain('robot+x', 'ci/a', 'tag')).toBe(
      'allowed: the robot x was created for push of ci/*\n',
    )
    expect(await explain('robot+x', 'ci/a', 'pull')).toMatch(
      /^denied: .*\npush is allowed: it includes HEAD /,
    )
    expect(await explain('robot+x', 'other', 'pull')).not.toMatch(/HEAD/)
    expect(await explain('robot+y', 'ci/a', 'push')).toMatch(/^denied: .* has no robot y\n$/)
    await writeFile(path, 'version: 0.1\nstorage: inmemory\n')
    expect(await explain('anonymous', 'x', 'delete')).toBe('allowed: there is no access control\n')
  })

  test.each([
    [['auth'], 2],
    [['auth', 'explain', 'alice', 'x'], 2],
    [['auth', 'explain', 'alice', 'x', 'fly'], 2],
    [['auth', 'explain', 'alice', 'X', 'pull'], 1],
  ])('%j is refused', async (args, expected) => {
    const { code } = await runEntrepot(args, { environment: { REGISTRY_STORAGE: 'inmemory' } })
    expect(code).toBe(expected)
  })

  test.each([['htpasswd'], ['robot'], ['auth']])('entrepot %s --help says how', async (command) => {
    const { code, stdout } = await runEntrepot([command, '--help'])
    expect([code, stdout]).toEqual([0, expect.stringContaining(`entrepot ${command}`)])
  })
})
