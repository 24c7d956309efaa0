/** Takes the pictures of the web page in docs/images again, over sample content: `node test/page/pictures.ts`, after
 *  `npm run build:page`. They are to be looked at, and reduced to a palette, before they are committed. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { ruled, startGuarded } from '../support/guarded-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { launchBrowser, Tab } from './browser.ts'
import { SampleContent, startSampleRegistry } from './sample-content.ts'

const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url))

const browser = await launchBrowser()
try {
  await takeOfContent(browser)
  await takeOfAccounts(browser)
} finally {
  await browser.close()
}

async function takeOfContent(browser: Browser): Promise<void> {
  await using folder = await temporaryFolder({ inMemory: true })
  await using registry = await startSampleRegistry(folder)
  const content = new SampleContent(registry.url)
  await content.pushAll()
  await content.pushTags('web/cart', ['2.0', '2.1', 'latest'])
  for (const [repository, pulls] of Object.entries({ 'web/cart': 41, 'web/cms/editor': 7, tools: 3 }))
    for (let pull = 0; pull < pulls; pull++)
      await fetch(`${registry.url}/v2/${repository}/manifests/${repository === 'web/cart' ? 'latest' : 'v1'}`)
  await using tab = await Tab.open(browser, registry.url)
  await until(tab, '/ui/?sort=-pulls', '41')
  await take(tab, { view: '/ui/?sort=-pulls', name: 'repositories' })
  await take(tab, { view: '/ui/r/web/shop', name: 'repository' })
  await take(tab, { view: '/ui/r/web/shop:latest', name: 'image' })
  await take(tab, { view: '/ui/operations', name: 'operations' })
  await take(tab, { view: '/ui/r/web/shop?show=usage', name: 'usage' })
  await fetch(`${registry.url}/v2/web/shop/manifests/1.1.0`, { method: 'DELETE' })
  await take(tab, { view: '/ui/r/web/shop?show=deleted', name: 'deleted' })
  await using dark = await Tab.open(browser, registry.url, { colorScheme: 'dark' })
  await take(dark, { view: '/ui/r/charts/shop:2.1.0_7', name: 'chart' })
}

async function takeOfAccounts(browser: Browser): Promise<void> {
  const rules = "[{repositories: ['**'], who: [alice], actions: ['*']}]"
  const more = "\n  keys: {}\nhttp: {addr: '127.0.0.1:0', secret: of the pictures}"
  await using registry = await startGuarded((folder) => `${ruled(rules)(folder)}${more}`)
  await using tab = await Tab.open(browser, registry.server.url, { viewport: { width: 1280, height: 560 } })
  const { page } = tab
  await take(tab, { view: '/ui/login?return=/ui/account', name: 'login' })
  await page.getByLabel('User').fill('alice')
  await page.getByLabel('Password').fill('alice')
  await page.keyboard.press('Enter')
  for (const [name, repositories] of [
    ['laptop', '**'],
    ['deploy script', 'web/**'],
  ] as const) {
    await page.getByRole('button', { name: 'New key' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill(name)
    await dialog.getByLabel('Repositories').fill(repositories)
    await dialog.getByRole('button', { name: 'Make the key' }).click()
    await page.getByText('Copy the key now').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await tab.leaveDialog()
  }
  await take(tab, { view: '/ui/account', name: 'keys' })
}

/** Opens a view until it has the text. */
async function until(tab: Tab, view: string, text: string): Promise<void> {
  do await tab.visit(view)
  while ((await tab.page.locator('main').getByText(text, { exact: true }).count()) === 0)
}

async function take(tab: Tab, { view, name }: { view: string; name: string }): Promise<void> {
  await tab.visit(view)
  const path = join(IMAGES, `web-${name}.png`)
  await tab.page.screenshot({ path, fullPage: true })
  console.log(path)
}
