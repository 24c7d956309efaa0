/** The web page over 10,000 repositories, one of which has 100,000 tags: a view loads and shows one page of them. */
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeCatalog, repositoryName } from '../../bench/seed-catalog.ts'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { launchBrowser, Tab } from './browser.ts'

const REPOSITORIES = 10_000
const TAGS = 100_000
const LARGEST = repositoryName(0)
const PATIENCE = { timeout: 120_000, interval: 200 }
/** On a machine that does much else at the same time. */
const FIRST_ROWS_MS = 5_000
/** Of all answers that a view asks for. */
const MAX_BYTES = 150_000
/** With a tree of 200 namespaces. */
const MAX_ELEMENTS = 6_000

describeWith(['chromium'], 'the web page over much', () => {
  let folder: TemporaryFolder
  let registry: ServerProcess
  let browser: Browser

  beforeAll(async () => {
    folder = await temporaryFolder({ inMemory: true })
    const dataFolder = join(folder.path, 'data')
    makeCatalog(dataFolder, { repositories: REPOSITORIES, tags: 1, images: 20 })
    makeCatalog(dataFolder, { repositories: 1, tags: TAGS, images: 20 })
    const index = { path: join(folder.path, 'index.sqlite') }
    registry = await startEntrepot({ dataFolder, configFolder: folder.path, config: { index } })
    browser = await launchBrowser()
  }, 300_000)
  afterAll(async () => {
    await browser?.close()
    await registry?.stop()
    await folder?.remove()
  })

  const rows = (page: Page) => page.locator('tbody tr')
  const firstName = (page: Page) => rows(page).first().locator('.name').textContent()

  async function filled(): Promise<void> {
    const isComplete = async () => {
      const answer = await fetch(`${registry.url}/v2/_entrepot/catalog/repositories?n=1`)
      return ((await answer.json()) as { index: { complete: boolean } }).index.complete
    }
    await expect.poll(isComplete, PATIENCE).toBe(true)
  }

  /** Opens a view, which must show its first rows soon and load little. */
  async function visit(tab: Tab, path: string): Promise<void> {
    let bytes = 0
    const count = async (response: { body(): Promise<Buffer>; url(): string }) => {
      if (response.url().includes('/v2/')) bytes += (await response.body().catch(() => Buffer.of())).length
    }
    tab.page.on('response', count)
    const since = performance.now()
    await tab.page.goto(registry.url + path)
    await rows(tab.page).first().waitFor()
    expect(performance.now() - since).toBeLessThan(FIRST_ROWS_MS)
    await tab.settle()
    tab.page.off('response', count)
    expect(bytes).toBeGreaterThan(0)
    expect(bytes).toBeLessThan(MAX_BYTES)
    expect(await tab.page.locator('*').count()).toBeLessThan(MAX_ELEMENTS)
  }

  test('the repositories are shown while the index is filled, and a page at a time', async () => {
    await using tab = await Tab.open(browser, registry.url)
    const { page } = tab
    await tab.visit('/ui/')
    await expect.poll(() => rows(page).count(), PATIENCE).toBeGreaterThan(0)
    await filled()
    await visit(tab, '/ui/')
    await expect.poll(() => rows(page).count()).toBe(50)
    const first = await firstName(page)
    await page.getByRole('button', { name: 'Next' }).click()
    await expect.poll(() => firstName(page)).not.toBe(first)
    await expect.poll(() => rows(page).count()).toBe(50)
    await visit(tab, '/ui/?sort=-tags')
    expect(await firstName(page)).toContain(LARGEST)
    await visit(tab, '/ui/?under=team-7')
    await expect.poll(() => rows(page).count()).toBe(50)
    expect(await tab.accessibilityFindings()).toEqual([])
    expect(tab.faults).toEqual([])
  })

  test('one of them is found by its name, and one of all tags', async () => {
    await filled()
    await using tab = await Tab.open(browser, registry.url)
    await tab.visit('/ui/')
    const { page } = tab
    await page.keyboard.press('/')
    await page.keyboard.type('app-9876')
    await page.keyboard.press('Enter')
    await expect
      .poll(async () => (await rows(page).allTextContents()).join())
      .toContain(repositoryName(9_876))
    await visit(tab, '/ui/?q=v100999&show=tags')
    await expect.poll(() => rows(page).count()).toBe(1)
    expect(tab.faults).toEqual([])
  })

  test('a repository with 100,000 tags is paged, sorted and filtered', async () => {
    await filled()
    await using tab = await Tab.open(browser, registry.url)
    const { page } = tab
    await visit(tab, `/ui/r/${LARGEST}?sort=name`)
    await expect.poll(() => rows(page).count()).toBe(50)
    const first = await firstName(page)
    await page.getByRole('button', { name: 'Next' }).click()
    await expect.poll(() => firstName(page)).not.toBe(first)
    await visit(tab, `/ui/r/${LARGEST}?sort=-pushed`)
    await expect.poll(() => rows(page).count()).toBe(50)
    await page.keyboard.press('f')
    await page.keyboard.type('v100998')
    await expect.poll(() => rows(page).count()).toBe(1)
    await tab.settle() // a list is dimmed while it is loaded
    expect(await tab.accessibilityFindings()).toEqual([])
    expect(tab.faults).toEqual([])
  })
})
