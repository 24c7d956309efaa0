/** The command line, as processes of their own. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { htpasswdOf } from './support/access.ts'
import { runEntrepot } from './support/command.ts'
import { startEntrepot } from './support/entrepot-process.ts'
import { type TemporaryFolder, temporaryFolder } from './support/temporary-folder.ts'

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

/** Writes a configuration and returns its path. */
async function configFile(text: string): Promise<string> {
  const path = join(folder.path, 'config.yml')
  await writeFile(path, text)
  return path
}

describe('entrepot', () => {
  it.each(['--version', '-v'])('%s prints the version of the package', async (option) => {
    const manifest = fileURLToPath(new URL('../package.json', import.meta.url))
    const { version } = JSON.parse(await readFile(manifest, 'utf8'))
    expect(await runEntrepot([option])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it.each([['--help'], ['-h'], []])('%s prints every command', async (...args) => {
    const { code, stdout, stderr } = await runEntrepot(args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const command of ['serve', 'config check', '--version', '--help']) {
      expect(stdout).toContain(`\n  entrepot ${command} `)
    }
  })

  it.each([
    [['frobnicate'], 'there is no command "frobnicate"'],
    [['config'], 'there is no command "config"'],
    [['config', 'mend'], 'there is no command "config mend"'],
    [['serve', 'a.yml', 'b.yml'], 'one file at most, not a.yml b.yml'],
    [['config', 'check', 'a.yml', 'b.yml'], 'one file at most, not a.yml b.yml'],
    [['--frobnicate'], '--frobnicate'],
  ])('%j means nothing, which is said', async (args, message) => {
    const { code, stdout, stderr } = await runEntrepot(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).toMatch(/^entrepot: [\s\S]*\nentrepot --help lists the commands\n$/)
  })
})

describe('entrepot config check', () => {
  it('says of a file that nothing is wrong with it', async () => {
    const path = await configFile('version: 0.1\nstorage:\n  inmemory:\nhttp:\n  addr: :5000\n')
    const stdout = `${path}: no problem found\n`
    expect(await runEntrepot(['config', 'check', path])).toEqual({ code: 0, stdout, stderr: '' })
  })

  it('names everything that is wrong, where, and touches nothing', async () => {
    const path = await configFile(
      [
        'version: 0.1',
        'log:',
        '  level: loud',
        'storage:',
        '  filesystem:',
        `    rootdirectory: ${join(folder.path, 'data')}`,
        '  maintenance:',
        '    uploadpurging:',
        '      age: soon',
        'http:',
        '  addr: nowhere',
        '  perfix: /registry/',
      ].join('\n'),
    )
    const { code, stdout, stderr } = await runEntrepot(['config', 'check', path])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    for (const key of ['log.level', 'storage.maintenance.uploadpurging.age', 'http.addr', 'http.perfix']) {
      expect(stderr).toMatch(new RegExp(`^(entrepot: )?${key}: .+$`, 'm'))
    }
    expect(stderr).not.toContain('    at ')
  })

  it('says what has no effect, and that it can be served', async () => {
    const path = await configFile('version: 0.1\nstorage:\n  inmemory:\nlog:\n  reportcaller: true\n')
    const { code, stdout } = await runEntrepot(['config', 'check', path])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^warning: log\.reportcaller: .+\n.*: no problem found\n$/)
  })

  it('checks the environment with the file', async () => {
    const path = await configFile('version: 0.1\nstorage:\n  inmemory:\n')
    const environment = { REGISTRY_HTTP_ADDR: 'nowhere' }
    const { code, stderr } = await runEntrepot(['config', 'check', path], { environment })
    expect(code).toBe(1)
    expect(stderr).toContain('REGISTRY_HTTP_ADDR')
  })

  it('takes the file from the environment where none is named', async () => {
    const path = await configFile('version: 0.1\nstorage:\n  inmemory:\n')
    const environment = { REGISTRY_CONFIGURATION_PATH: path }
    const { code, stdout } = await runEntrepot(['config', 'check'], { environment })
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${path}: no problem found\n` })
  })

  it('opens the files that it names, says of each what is wrong with it, and makes none', async () => {
    const at = (name: string) => join(folder.path, name)
    await writeFile(at('robots.json'), '{"robots": [{}]}')
    await writeFile(at('key.json'), '{}')
    await writeFile(at('tls.crt'), 'none')
    const path = await configFile(
      JSON.stringify({
        version: 0.1,
        storage: { gcs: { bucket: 'b', keyfile: at('key.json') } },
        http: { tls: { certificate: at('tls.crt'), key: at('tls.key') } },
        redis: { addr: 'localhost:6379', tls: { rootcas: [at('redis.pem')] } },
        auth: {
          htpasswd: { realm: 'here', path: at('users') },
          robots: { path: at('robots.json') },
          issuer: { keys: at('tls.crt/keys.json') },
          audit: { path: at('tls.crt/audit.log') },
        },
      }),
    )
    const before = await readdir(folder.path)
    const { code, stdout, stderr } = await runEntrepot(['config', 'check', path])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr.trimEnd().replace('entrepot: ', '').split('\n').toSorted()).toEqual([
      expect.stringMatching(/^auth\.audit\.path: .*ENOTDIR/),
      expect.stringMatching(/^auth\.htpasswd\.path: .*users: .*ENOENT/),
      expect.stringMatching(/^auth\.issuer\.keys: .*ENOTDIR/),
      expect.stringMatching(/^auth\.robots\.path: .*robots\.0\.name/),
      expect.stringMatching(/^http\.tls\.key cannot be read: ENOENT/),
      expect.stringMatching(/^redis\.tls\.rootcas cannot be read: ENOENT/),
      expect.stringMatching(/^storage\.gcs\.keyfile: .*no client_email/),
    ])
    expect(await readdir(folder.path)).toEqual(before)
  })

  it('opens those of a registry that sends clients elsewhere for tokens and blobs', async () => {
    await writeFile(join(folder.path, 'file'), '')
    const options = { baseurl: 'https://d1.cloudfront.net', keypairid: 'K', privatekey: '/none/key.pem' }
    const path = await configFile(
      JSON.stringify({
        version: 0.1,
        storage: { s3: { bucket: 'b', region: 'eu-west-1' } },
        middleware: { storage: [{ name: 'cloudfront', options }] },
        http: {
          tls: {
            letsencrypt: { cachefile: join(folder.path, 'file/acme'), hosts: ['registry.example.com'] },
          },
        },
        auth: { token: { realm: 'https://a', service: 'b', issuer: 'c', rootcertbundle: '/none/ca.pem' } },
      }),
    )
    const { code, stderr } = await runEntrepot(['config', 'check', path])
    expect(code).toBe(1)
    expect(stderr.trimEnd().replace('entrepot: ', '').split('\n').toSorted()).toEqual([
      expect.stringMatching(/^auth\.token\.rootcertbundle: \/none\/ca\.pem: ENOENT/),
      expect.stringMatching(/^http\.tls\.letsencrypt\.cachefile: .*ENOTDIR/),
      expect.stringMatching(
        /^middleware\.storage\[0\]\.options\.privatekey: \/none\/key\.pem cannot be read: ENOENT/,
      ),
    ])
  })

  it('warns of whom no file knows, and so does the start', async () => {
    await writeFile(join(folder.path, 'users'), `${htpasswdOf(['alice'])}bob:{SHA}abc=\n`)
    const config = {
      storage: { inmemory: null },
      http: { addr: '127.0.0.1:0' },
      log: { formatter: 'json' },
      auth: {
        htpasswd: { realm: 'here', path: join(folder.path, 'users') },
        rules: [
          { repositories: ['Team/**'], who: ['anonymus', 'alice'], actions: ['pull'] },
          { repositories: ['**'], who: ['carol'], actions: ['pull'] },
        ],
      },
    }
    const path = await configFile(JSON.stringify({ version: 0.1, ...config }))
    const { code, stdout } = await runEntrepot(['config', 'check', path])
    expect(code).toBe(0)
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^warning: .*users: htpasswd, line 2: the password of bob is not hashed/),
      expect.stringMatching(/^warning: auth\.rules\[0\]\.repositories\[0\]: Team\/\*\* has upper-case/),
      'warning: auth.rules[0].who[0]: there is no user anonymus; did you mean anonymous?',
      'warning: auth.rules[1].who[0]: there is no user carol',
      `${path}: no problem found`,
      '',
    ])
    await using server = await startEntrepot({ dataFolder: folder.path, configFolder: folder.path, config })
    expect(server.output).toContain('"key":"auth.rules[1].who[0]","msg":"there is no user carol"')
  })

  it('names a file that is not there', async () => {
    const path = join(folder.path, 'absent.yml')
    const { code, stderr } = await runEntrepot(['config', 'check', path])
    expect(code).toBe(1)
    expect(stderr).toBe(`entrepot: ${path}: cannot be read: no such file\n`)
  })
})
