/** The web page of a registry that cannot search: its index cannot be opened, or it has none. */
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { RegistryClient } from '../support/registry-client.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { launchBrowser, Tab } from './browser.ts'

describeWith(['chromium'], 'the web page without search', () => {
  let folder: TemporaryFolder
  let browser: Browser
  beforeAll(async () => {
    folder = await temporaryFolder()
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await folder?.remove()
  })

  async function start(name: string, index: object): Promise<ServerProcess> {
    const place = join(folder.path, name)
    const registry = await startEntrepot({
      ...{ dataFolder: join(place, 'data'), configFolder: place },
      config: { index },
    })
    const image = imageOf([gzippedLayer([{ path: 'hello' }])])
    for (const repository of ['db', 'web/shop'])
      await new RegistryClient(registry.url).pushImage(repository, { tag: 'v1', image })
    return registry
  }

  test('an index that cannot be opened is missed, and used as soon as it can be', async () => {
    const path = join(folder.path, 'index.sqlite')
    await mkdir(path)
    await using registry = await start('unavailable', { path })
    await using tab = await Tab.open(browser, registry.url)
    const { page } = tab
    await tab.visit('/ui/')
    await page.getByRole('link', { name: 'db', exact: true }).waitFor()
    await page.getByText('Search and other orders are not available at present.').waitFor()
    expect(await tab.accessibilityFindings()).toEqual([])
    await tab.visit('/ui/r/web/shop')
    await page.getByRole('link', { name: 'v1', exact: true }).waitFor()
    await tab.visit('/ui/?q=shop')
    await page.getByRole('alert').getByText('Not available at present').waitFor()
    expect(await tab.accessibilityFindings()).toEqual([])

    await tab.visit('/ui/')
    await page.getByText('not available at present').waitFor()
    await rmdir(path)
    await page.getByText('Compared with storage').waitFor({ timeout: 60_000 })
    await page.getByRole('button', { name: 'Size' }).waitFor()
    await tab.visit('/ui/?q=shop')
    await page.getByRole('link', { name: 'web/shop' }).waitFor()
    expect(tab.faults).toEqual([])
  })

  test('without an index names are listed once, and search says what it needs', async () => {
    await using registry = await start('without', { enabled: false })
    await using tab = await Tab.open(browser, registry.url)
    const { page } = tab
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    await page.clock.install()
    await tab.visit('/ui/')
    await page.getByRole('link', { name: 'db', exact: true }).waitFor()
    await page.clock.runFor(20_000)
    await tab.settle()
    expect(asked.filter((url) => url.includes('/catalog/repositories'))).toHaveLength(1)
    await tab.visit('/ui/?q=shop')
    await page.getByText('set index.enabled: true').waitFor()
    expect(tab.faults).toEqual([])
  })
})
