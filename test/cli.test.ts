/** The command line, as processes of their own. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runEntrepot } from './support/command.ts'
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
    expect(stderr).toMatch(/^entrepot: [\s\S]*\nentrepot --help says what there is\n$/)
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

  it('names a file that is not there', async () => {
    const path = join(folder.path, 'absent.yml')
    const { code, stderr } = await runEntrepot(['config', 'check', path])
    expect(code).toBe(1)
    expect(stderr).toBe(`entrepot: ${path}: cannot be read: no such file\n`)
  })
})
