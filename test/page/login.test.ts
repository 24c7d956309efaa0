/** The web page of a registry with accounts: it asks for a login, shows what the person may see, and forgets it afterwards. */
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { basic } from '../support/access.ts'
import { describeWith } from '../support/describe-with.ts'
import { type GuardedProcess, ruled, startGuarded } from '../support/guarded-process.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { launchBrowser, Tab } from './browser.ts'

const RULES =
  "[{repositories: ['**'], who: [alice], actions: ['*']}, {repositories: ['web/**'], who: [bob], actions: [pull]}]"

const WITH_KEYS = "\n  keys: {}\nhttp: {addr: '127.0.0.1:0', secret: of the test}"

describeWith(['chromium'], 'the web page of a registry with accounts', () => {
  let registry: GuardedProcess
  let browser: Browser
  beforeAll(async () => {
    registry = await startGuarded((folder) => `${ruled(RULES)(folder)}${WITH_KEYS}`)
    for (const repository of ['web/shop', 'secret/plans']) await push(repository)
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await registry?.[Symbol.asyncDispose]()
  })

  async function push(repository: string): Promise<void> {
    const url = `${registry.server.url}/v2/${repository}`
    const headers = basic('alice')
    const blob = Buffer.from('{}')
    const digest = digestOf(blob)
    const pushed = await fetch(`${url}/blobs/uploads/?digest=${digest}`, {
      method: 'POST',
      body: blob,
      headers,
    })
    const put = await fetch(`${url}/manifests/v1`, {
      method: 'PUT',
      body: Buffer.from(payloadOf(imageJson({ config: descriptorOf('{}'), layers: [] }))),
      headers: { ...headers, 'content-type': MediaType.ociManifest },
    })
    expect([pushed.status, put.status]).toEqual([201, 201])
  }

  test('somebody logs in, sees what the rules allow, and logs out', async () => {
    await using tab = await Tab.open(browser, registry.server.url)
    const { page } = tab
    await tab.visit('/ui/')
    await page.getByText('Please log in to see repositories').waitFor()
    await page.getByRole('main').getByRole('link', { name: 'Log in' }).click()
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    expect(await tab.accessibilityFindings()).toEqual([])
    await page.getByLabel('User').fill('bob')
    await page.getByLabel('Password').fill('a wrong one')
    await page.keyboard.press('Enter')
    await page.getByText('The user or the password is wrong.').waitFor()
    await page.getByLabel('Password').fill('bob')
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'web/shop' }).waitFor()
    expect(await page.getByText('secret').count()).toBe(0)
    await tab.visit('/ui/r/web/shop')
    expect(await page.getByRole('checkbox').count()).toBe(0)
    // No script can read the session.
    expect(await page.evaluate(() => document.cookie)).toBe('')
    await page.getByText('bob', { exact: true }).click()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('banner').getByRole('link', { name: 'Log in' }).waitFor()
    await tab.visit('/ui/')
    await page.getByText('Please log in to see repositories').waitFor()
    expect(await page.context().cookies()).toEqual([])
    expect(tab.faults).toEqual([])
  })

  test('somebody makes a key, logs in with it at the command line, and revokes it', async () => {
    await using tab = await Tab.open(browser, registry.server.url)
    const { page } = tab
    await tab.visit('/ui/login?return=/ui/account')
    await page.getByLabel('User').fill('bob')
    await page.getByLabel('Password').fill('bob')
    await page.keyboard.press('Enter')
    await page.getByText('You have no keys').waitFor()
    await page.getByRole('button', { name: 'New key' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill('laptop')
    await dialog.getByLabel('Repositories').fill('web/**')
    await dialog.getByRole('button', { name: 'Make the key' }).click()
    await page.getByText('Copy the key now').waitFor()
    expect(await tab.accessibilityFindings()).toEqual([])
    const key = await dialog.getByText(/^entk_/).textContent()
    await dialog.getByRole('button', { name: 'Close' }).click()
    await tab.leaveDialog()
    await page.getByRole('cell', { name: 'laptop', exact: true }).waitFor()
    expect(await page.getByText('entk_').count()).toBe(0)
    const pull = async (repository: string) => {
      const headers = basic('bob', String(key))
      return (await fetch(`${registry.server.url}/v2/${repository}/manifests/v1`, { headers })).status
    }
    expect([await pull('web/shop'), await pull('secret/plans')]).toEqual([200, 403])
    await page.getByRole('button', { name: 'Revoke laptop' }).click()
    await page.getByText('You have no keys').waitFor()
    expect(await pull('web/shop')).toBe(401)
    expect(tab.faults).toEqual([])
  })

  test.each(['light', 'dark'] as const)(
    'a key is made and revoked with the keyboard alone, and axe finds nothing: %s',
    async (colorScheme) => {
      await using tab = await Tab.open(browser, registry.server.url, { colorScheme })
      const { page } = tab
      const { keyboard } = page
      await tab.visit('/ui/login?return=/ui/account')
      await tab.focusByKey('User')
      await keyboard.type('bob')
      await keyboard.press('Tab')
      await keyboard.type('bob')
      await keyboard.press('Enter')
      await page.getByText('You have no keys').waitFor()
      expect(await tab.accessibilityFindings()).toEqual([])
      await tab.focusByKey('New key')
      await keyboard.press('Enter')
      await page.getByRole('dialog').waitFor()
      expect(await tab.accessibilityFindings()).toEqual([])
      await tab.focusByKey('Name')
      await keyboard.type(`by keyboard, ${colorScheme}`)
      await keyboard.press('Enter')
      await page.getByText('Copy the key now').waitFor()
      await tab.focusByKey('Copy')
      await keyboard.press('Enter')
      await expect.poll(() => tab.clipboard()).toMatch(/^entk_/)
      await keyboard.press('Escape')
      await tab.leaveDialog()
      await page.getByRole('cell', { name: `by keyboard, ${colorScheme}`, exact: true }).waitFor()
      expect(await tab.accessibilityFindings()).toEqual([])
      await tab.focusByKey('Revoke')
      await keyboard.press('Enter')
      await page.getByText('You have no keys').waitFor()
      await tab.focusByKey('bob')
      await keyboard.press('Enter')
      await tab.focusByKey('Log out')
      await keyboard.press('Enter')
      await page.getByRole('banner').getByRole('link', { name: 'Log in' }).waitFor()
      expect(tab.faults).toEqual([])
    },
  )

  test('a phone shows the login and the keys within its width', async () => {
    await using tab = await Tab.open(browser, registry.server.url, { viewport: { width: 360, height: 740 } })
    const { page } = tab
    const width = () => page.evaluate(() => document.documentElement.scrollWidth)
    await tab.visit('/ui/login?return=/ui/account')
    expect(await width()).toBe(360)
    await page.getByLabel('User').fill('bob')
    await page.getByLabel('Password').fill('bob')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'New key' }).click()
    await page
      .getByRole('dialog')
      .getByLabel('Name')
      .fill('a name that is as long as the page lets one write it, for a phone')
    await page.keyboard.press('Enter')
    await page.getByText('Copy the key now').waitFor()
    expect(await width()).toBe(360)
    await page.keyboard.press('Escape')
    await tab.leaveDialog()
    expect(await width()).toBe(360)
    await page.getByRole('button', { name: /^Revoke/ }).click()
    await page.getByText('You have no keys').waitFor()
    expect(tab.faults).toEqual([])
  })

  test('a login leads back to the view that asked for it, and never elsewhere', async () => {
    await using tab = await Tab.open(browser, registry.server.url)
    const { page } = tab
    const logIn = async (target: string) => {
      await tab.visit(`/ui/login?return=${encodeURIComponent(target)}`)
      await page.getByLabel('User').fill('alice')
      await page.getByLabel('Password').fill('alice')
      await page.keyboard.press('Enter')
      await page.getByRole('banner').getByText('alice').waitFor()
    }
    await logIn('/ui/r/secret/plans')
    await page.getByRole('heading', { name: 'plans' }).waitFor()
    await page.context().clearCookies()
    await logIn('https://elsewhere.example/')
    await expect.poll(() => page.url()).toBe(`${registry.server.url}/ui/`)
    expect(tab.faults).toEqual([])
  })
})
