/** Every view of the web page for everybody: axe, the width of a phone, and what is shown if something is missing or fails. */
import { expect, test } from 'vitest'
import { describePage } from './page-suite.ts'

const VIEWS = [
  '/ui/',
  '/ui/?under=web',
  '/ui/?q=shop',
  '/ui/?show=tags',
  '/ui/r/web/shop',
  '/ui/r/web/shop?show=untagged',
  '/ui/r/web/shop?show=deleted',
  '/ui/r/web/shop?show=usage',
  '/ui/r/web/shop:latest',
  '/ui/r/charts/shop:2.1.0_7',
  '/ui/r/models/tiny:v1',
  '/ui/r/tools/filter:v1',
  '/ui/r/hostile:image',
  '/ui/r/hostile:artifact',
  '/ui/r/nothing/here',
  '/ui/operations',
  '/ui/login',
  '/ui/nowhere',
]

describePage('the states of the web page', (suite) => {
  test.each(['light', 'dark'] as const)('axe finds nothing in any view: %s', (colorScheme) =>
    suite.inTab(
      async (tab) => {
        for (const view of VIEWS) {
          await tab.visit(view)
          expect([view, await tab.accessibilityFindings()]).toEqual([view, []])
        }
        await tab.visit('/ui/r/web/shop')
        await tab.page.getByRole('checkbox', { name: 'Select latest' }).check()
        await tab.page.getByRole('button', { name: 'Delete', exact: true }).click()
        expect(await tab.accessibilityFindings()).toEqual([])
        await tab.page.keyboard.press('Escape')
        await tab.page.keyboard.press('?')
        expect(await tab.accessibilityFindings()).toEqual([])
      },
      { colorScheme },
    ),
  )

  test('the Tab key reaches every control of every view, and shows where it is', () =>
    suite.inTab(async (tab) => {
      for (const view of VIEWS) {
        await tab.visit(view)
        expect([view, await tab.unreachableControls()]).toEqual([view, []])
      }
    }))

  test('a phone shows everything within its width', () =>
    suite.inTab(
      async (tab) => {
        for (const view of VIEWS) {
          await tab.visit(view)
          const width = await tab.page.evaluate(() => document.documentElement.scrollWidth)
          expect([view, width]).toEqual([view, 360])
        }
      },
      { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
    ))

  test.each([
    ['/ui/r/nothing/here', 'Not found'],
    ['/ui/r/web/shop:absent', 'Not found'],
    ['/ui/r/Not_A_Name', 'There is no such view'],
    ['/ui/nowhere', 'There is no such view'],
  ])('%s says that it is not there', (view, text) =>
    suite.inTab(async (tab) => {
      await tab.visit(view)
      await tab.page.getByText(text).waitFor()
    }),
  )

  test.each([
    [401, 'UNAUTHORIZED', 'Please log in'],
    [403, 'DENIED', 'No permission'],
    [429, 'TOOMANYREQUESTS', 'Too many requests'],
    [503, 'UNAVAILABLE', 'Not available at present'],
    [500, 'UNKNOWN', 'This could not be shown'],
  ])('an answer of %d is explained, and asked for again', (status, code, text) =>
    suite.inTab(async (tab) => {
      const { page } = tab
      const body = JSON.stringify({ errors: [{ code, message: 'why' }] })
      await page.route('**/v2/web/shop/**', (route) =>
        route.fulfill({ status, contentType: 'application/json', body }),
      )
      await tab.visit('/ui/r/web/shop:latest')
      await page.getByRole('alert').getByText(text).waitFor()
      await page.unroute('**/v2/web/shop/**')
      if (status !== 401 && status !== 403) await page.getByRole('button', { name: 'Try again' }).click()
      else await page.reload()
      await page.getByRole('region', { name: 'Layers' }).waitFor()
    }),
  )

  test('a registry that shows nothing without a login says so', () =>
    suite.inTab(async (tab) => {
      const body = JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'why' }] })
      await tab.page.route('**/v2/**', (route) =>
        route.fulfill({ status: 401, contentType: 'application/json', body }),
      )
      // Who asks is told to everybody, as far as the registry tells it.
      await tab.page.route('**/v2/_entrepot/user/self', (route) => route.fulfill({ status: 404, body: '' }))
      await tab.visit('/ui/')
      await tab.page.getByRole('heading', { name: 'Please log in to see repositories' }).waitFor()
    }))

  test('a lost connection is explained, and a slow one too', () =>
    suite.inTab(async (tab) => {
      const { page } = tab
      await tab.visit('/ui/')
      let answer = () => {}
      const held = new Promise<void>((resolve) => {
        answer = resolve
      })
      await page.route('**/v2/web/shop/**', async (route) => {
        await held
        await route.continue()
      })
      await page.getByRole('link', { name: 'web/shop' }).click()
      await page.getByText('takes longer than usual').waitFor()
      answer()
      await page.getByRole('table', { name: 'Tags of web/shop' }).waitFor()
      await page.unroute('**/v2/web/shop/**')
      await page.route('**/v2/tools/**', (route) => route.abort())
      await page.getByRole('link', { name: 'Entrepot' }).click()
      await page.getByRole('link', { name: 'tools', exact: true }).click()
      await page.getByRole('alert').getByText('No connection').waitFor()
      tab.faults.splice(
        0,
        Number.POSITIVE_INFINITY,
        ...tab.faults.filter((fault) => !/ERR_FAILED/.test(fault)),
      )
    }))
})
