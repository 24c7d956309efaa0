import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { describeWith } from '../support/describe-with.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { run } from '../support/tools.ts'

const unit = fileURLToPath(new URL('../../deploy/systemd/entrepot.service', import.meta.url))
/** Of 10; systemd calls a service "OK" below 5. */
const MAX_EXPOSURE = 2

describeWith(['systemd-analyze'], 'the unit for systemd', () => {
  // It asks whether the program that the unit starts is there.
  test.skipIf(!existsSync('/usr/bin/node'))('is one that systemd finds nothing wrong with', async () => {
    await run('systemd-analyze', ['verify', '--man=no', unit])
  })

  test('takes a secret from a credential, as its comment says', async () => {
    await using folder = await temporaryFolder()
    const secret = join(folder.path, 'http-secret')
    await writeFile(secret, 'from a file')
    const text = (await readFile(unit, 'utf8')).replaceAll(/^#(?=LoadCredential|Environment)/gm, '')
    const [, variable = '', name] = /^Environment=(\w+)=%d\/(.+)$/m.exec(text) ?? []
    expect(text).toContain(`LoadCredential=${name}:/etc/entrepot/${name}`)
    const storage = JSON.stringify({ inmemory: {} })
    const { config, warnings } = loadConfig({ env: { REGISTRY_STORAGE: storage, [variable]: secret } })
    expect([config.http.secret, warnings]).toEqual(['from a file', []])
    const active = join(folder.path, 'entrepot.service')
    await writeFile(active, text)
    await run('systemd-analyze', ['security', '--offline=true', '--no-pager', active])
  })

  test('can do little but serve', async () => {
    const report = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', unit])
    const [, exposure] = /Overall exposure level for entrepot\.service: ([\d.]+)/.exec(report) ?? []
    expect(Number(exposure)).toBeLessThan(MAX_EXPOSURE)
  })
})
