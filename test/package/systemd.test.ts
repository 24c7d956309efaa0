import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { run } from '../support/tools.ts'

const unit = fileURLToPath(new URL('../../deploy/systemd/entrepot.service', import.meta.url))
/** Of 10; systemd calls a service "OK" below 5. */
const MAX_EXPOSURE = 2

describeWith(['systemd-analyze'], 'the unit for systemd', () => {
  // It asks whether the program that the unit starts is there.
  test.skipIf(!existsSync('/usr/bin/node'))('is one that systemd finds nothing wrong with', async () => {
    await run('systemd-analyze', ['verify', '--man=no', unit])
  })

  test('can do little but serve', async () => {
    const report = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', unit])
    const [, exposure] = /Overall exposure level for entrepot\.service: ([\d.]+)/.exec(report) ?? []
    expect(Number(exposure)).toBeLessThan(MAX_EXPOSURE)
  })
})
