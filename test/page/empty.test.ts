/** The web page of a registry in which there is nothing yet. */
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

const VIEWS = [
  ['/ui/', 'There are no repositories yet'],
  ['/ui/?under=web', 'There are no repositories here'],
  ['/ui/?show=tags', 'There are no tags yet'],
  ['/ui/?q=shop', 'No repository matches'],
  ['/ui/?q=shop&show=tags', 'No tag matches'],
  ['/ui/operations', 'Operations'],
] as const

describeWith(['chromium'], 'the web page of an empty registry', () => {
  let folder: TemporaryFolder
  let registry: ServerProcess
  let browser: Browser
  beforeAll(async () => {
    folder = await temporaryFolder()
    registry = await startEntrepot({ dataFolder: join(folder.path, 'data'), configFolder: folder.path })
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await registry?.stop()
    await folder?.remove()
  })

  test.each([
    { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
    { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
  ] as const)('every view says so: $colorScheme', async (options) => {
    await using tab = await Tab.open(browser, registry.url, options)
    for (const [view, text] of VIEWS) {
      await tab.visit(view)
      await tab.page.getByRole('main').getByText(text).first().waitFor()
      expect([view, await tab.accessibilityFindings()]).toEqual([view, []])
      const width = await tab.page.evaluate(() => document.documentElement.scrollWidth)
      expect([view, width]).toEqual([view, options.viewport.width])
    }
    expect(tab.faults).toEqual([])
  })

  test('and shows the first push when it is opened again', async () => {
    await using tab = await Tab.open(browser, registry.url)
    await tab.visit('/ui/')
    await tab.page.getByText('docker push').waitFor()
    const image = imageOf([gzippedLayer([{ path: 'hello' }])])
    await new RegistryClient(registry.url).pushImage('first', { tag: 'v1', image })
    const first = tab.page.getByRole('link', { name: 'first', exact: true })
    await expect
      .poll(async () => {
        await tab.visit('/ui/')
        return first.count()
      })
      .toBe(1)
  })
})
