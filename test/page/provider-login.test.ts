/** The login by a real identity provider, in a real browser. */
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { freePort } from '../support/free-port.ts'
import { type GuardedProcess, startGuarded } from '../support/guarded-process.ts'
import { PersonIssuer } from '../support/person-issuer.ts'
import { launchBrowser, Tab } from './browser.ts'

const CAROL = { sub: 'c-1', preferred_username: 'carol', groups: ['developers'] }

describeWith(['chromium'], 'the web page of a registry with an identity provider', () => {
  let issuer: PersonIssuer
  let registry: GuardedProcess
  let browser: Browser
  beforeAll(async () => {
    issuer = await PersonIssuer.start(CAROL)
    // The provider knows where it may lead back to.
    const port = await freePort()
    issuer.allow(`http://127.0.0.1:${port}/v2/_entrepot/user/callback`)
    registry = await startGuarded(
      () => `  login:
    oidc:
      - id: sso
        name: Acme
        issuer: ${issuer.url}
        clientid: registry
        clientsecret: ${issuer.secret}
        scopes: [profile]
        prefix: 'acme:'
        claims: {user: preferred_username, groups: [groups]}
  rules:
    - {repositories: ['**'], who: ['group:acme:developers'], actions: ['*']}
http: {addr: '127.0.0.1:${port}', secret: of the test}`,
    )
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await registry?.[Symbol.asyncDispose]()
    await issuer?.[Symbol.asyncDispose]()
  })

  test('somebody logs in at the provider, comes back to the view, and logs out', async () => {
    await using tab = await Tab.open(browser, registry.server.url)
    const { page } = tab
    await tab.visit('/ui/?under=web')
    await page.getByRole('main').getByRole('link', { name: 'Log in' }).click()
    await page.getByRole('link', { name: 'Acme' }).waitFor()
    expect(await tab.accessibilityFindings()).toEqual([])
    await page.getByRole('link', { name: 'Acme' }).click()
    await page.getByText('acme:carol', { exact: true }).waitFor()
    const { pathname, searchParams } = new URL(page.url())
    expect([pathname, searchParams.get('under')]).toEqual(['/ui/', 'web'])
    await page.getByText('There are no repositories here').waitFor()
    // Only the browser itself has left for the provider, and no script sees the session.
    const elsewhere = tab.faults.filter((fault) => !fault.startsWith(`request to ${issuer.url}/`))
    expect(elsewhere).toEqual([])
    expect(await page.evaluate(() => document.cookie)).toBe('')
    await page.getByText('acme:carol', { exact: true }).click()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('banner').getByRole('link', { name: 'Log in' }).waitFor()
    await tab.visit('/ui/')
    await page.getByText('Please log in to see repositories').waitFor()
  })

  test('a login that was begun elsewhere, or is too old, is told', async () => {
    await using tab = await Tab.open(browser, registry.server.url)
    await tab.page.goto(`${registry.server.url}/v2/_entrepot/user/callback?code=x&state=y`)
    await tab.settle()
    expect(new URL(tab.page.url()).pathname).toBe('/ui/login')
    await tab.page.getByRole('alert').waitFor()
    expect(await tab.accessibilityFindings()).toEqual([])
  })
})
