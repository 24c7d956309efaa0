/** The web page in a real browser, over a registry with real content: each view, each action, by mouse and by
 *  keyboard. */
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { launchBrowser, Tab } from './browser.ts'
import { HOSTILE, SampleContent } from './sample-content.ts'

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

describeWith(['chromium'], 'the web page', () => {
  let folder: TemporaryFolder
  let registry: ServerProcess
  let content: SampleContent
  let browser: Browser

  beforeAll(async () => {
    folder = await temporaryFolder()
    registry = await startEntrepot({
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
      config: {
        policies: {
          history: { enabled: true },
          usage: { enabled: true },
          pulls: { enabled: true, interval: '1s' },
        },
      },
    })
    content = new SampleContent(registry.url)
    await content.pushAll()
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await registry?.stop()
    await folder?.remove()
  })

  /** Does something in a tab of its own, which must show no fault. */
  async function inTab(act: (tab: Tab) => Promise<void>, options = {}): Promise<void> {
    await using tab = await Tab.open(browser, registry.url, options)
    await act(tab)
    expect(tab.faults).toEqual([])
    const { hacked } = await tab.page.evaluate(() => ({ hacked: 'hacked' in window }))
    expect(hacked).toBe(false)
  }

  test('operators see garbage collection, scrubs and notifications', () =>
    inTab(async (tab) => {
      const { page } = tab
      await tab.visit('/ui/operations')
      for (const name of ['Garbage collection', 'Scrub', 'Notifications', 'Mirrors'])
        await page.getByRole('region', { name }).waitFor()
      await page.getByText('No endpoint is notified of changes.').waitFor()
    }))

  test('a browser that opens the registry sees the repositories, by their namespaces', () =>
    inTab(async ({ page }) => {
      await page.goto(`${registry.url}/`)
      expect(new URL(page.url()).pathname).toBe('/ui/')
      await page.getByRole('link', { name: 'web/shop' }).waitFor()
      const namespaces = page.getByRole('complementary', { name: 'Namespaces' })
      await namespaces.getByRole('button', { name: 'Namespaces in web' }).click()
      await namespaces.getByRole('link', { name: 'cms' }).click()
      await page.getByRole('heading', { name: 'web/cms' }).waitFor()
      const table = page.getByRole('table', { name: 'Repositories' })
      await expect.poll(() => table.getByRole('row').count()).toBe(2)
      await expect.poll(() => table.getByRole('link').first().textContent()).toBe('web/cms/editor')
    }))

  test('tags are filtered, and shown with what they name', () =>
    inTab(async (tab) => {
      await tab.visit('/ui/r/web/shop')
      const { page } = tab
      const rows = page.getByRole('table', { name: 'Tags of web/shop' }).locator('tbody tr')
      await expect.poll(() => rows.count()).toBe(4)
      await expect.poll(() => rows.first().textContent()).toContain('linux/arm64/v8')
      await page.getByRole('searchbox', { name: 'Filter tags' }).fill('1.2')
      await expect.poll(() => rows.count()).toBe(1)
      expect(new URL(page.url()).searchParams.get('q')).toBe('1.2')
      await page.reload()
      await expect.poll(() => rows.count()).toBe(1)
      await page.getByRole('searchbox', { name: 'Filter tags' }).fill('no such tag')
      await page.getByText('No tag matches').waitFor()
    }))

  test('several tags are selected and deleted, once it is confirmed', () =>
    inTab(async (tab) => {
      await content.pushTags('scratch/many', ['a', 'b', 'c', 'd'])
      await tab.visit('/ui/r/scratch/many')
      const { page } = tab
      const select = (tag: string) => page.getByRole('checkbox', { name: `Select ${tag}`, exact: true })
      await select('b').check()
      await select('d').check()
      const selection = page.getByRole('group', { name: 'Selection' })
      await expect.poll(() => selection.textContent()).toContain('2 tags selected')
      await selection.getByRole('button', { name: 'Delete', exact: true }).click()
      const dialog = page.getByRole('dialog', { name: 'Delete 2 tags?' })
      await dialog.getByRole('button', { name: 'Cancel' }).click()
      expect(await tagsOf('scratch/many')).toEqual(['a', 'b', 'c', 'd'])
      await selection.getByRole('button', { name: 'Delete', exact: true }).click()
      await dialog.getByRole('button', { name: 'Delete', exact: true }).click()
      await page.getByText('Deleted 2 tags').waitFor()
      await expect.poll(() => tagsOf('scratch/many')).toEqual(['a', 'c'])
      await expect.poll(() => page.locator('tbody tr').count()).toBe(2)
    }))

  test('a deletion is undone at once, or later', () =>
    inTab(async (tab) => {
      await content.pushTags('scratch/undo', ['a', 'b'])
      await tab.visit('/ui/r/scratch/undo')
      const { page } = tab
      const remove = async (tag: string) => {
        await page.getByRole('checkbox', { name: `Select ${tag}`, exact: true }).check()
        await page.getByRole('button', { name: 'Delete', exact: true }).click()
        await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click()
        await page.getByText(`Deleted ${tag}`).waitFor()
      }
      await remove('a')
      await page.getByRole('button', { name: 'Undo' }).click()
      await page.getByText('Restored 1 tag').waitFor()
      expect(await tagsOf('scratch/undo')).toEqual(['a', 'b'])
      await tab.settle()
      await remove('b')
      await page.getByRole('link', { name: 'Deleted' }).click()
      await page.getByRole('button', { name: 'Restore b' }).click()
      await page.getByText('Nothing was deleted').waitFor()
      expect(await tagsOf('scratch/undo')).toEqual(['a', 'b'])
      await tab.visit('/ui/r/scratch/undo:b')
      const history = page.getByRole('region', { name: 'History of the tag' })
      await expect.poll(() => history.getByRole('listitem').count()).toBe(3)
      await expect.poll(() => history.getByRole('listitem').nth(1).textContent()).toContain('removed')
    }))

  test('the move of a tag is undone', () =>
    inTab(async (tab) => {
      const { page } = tab
      const digestOf = async () =>
        (await fetch(`${registry.url}/v2/scratch/moved/manifests/v1`)).headers.get('docker-content-digest')
      await content.pushTags('scratch/moved', ['v1'])
      const before = await digestOf()
      await content.pushTags('scratch/moved', ['v1'], 2)
      const after = await digestOf()
      expect(after).not.toBe(before)
      await tab.visit('/ui/r/scratch/moved:v1')
      const digest = page.locator('main code[title^="sha256:"]').first()
      expect(await digest.getAttribute('title')).toBe(after)
      expect(await tab.accessibilityFindings()).toEqual([])
      await page.getByRole('button', { name: /^Undo the move of v1 from / }).click()
      await page.getByText('Moved v1 back to').waitFor()
      await expect.poll(() => digest.getAttribute('title')).toBe(before)
      expect(await digestOf()).toBe(before)
      const history = page.getByRole('region', { name: 'History of the tag' })
      await expect.poll(() => history.getByRole('listitem').count()).toBe(3)
    }))

  test('what has no tag is listed with what it belongs to', () =>
    inTab(async (tab) => {
      await tab.visit('/ui/r/web/shop?show=untagged')
      const text = await tab.page.getByRole('table').textContent()
      for (const expected of ['linux/arm64', 'as a part', 'SBOM', 'refers to it'])
        expect(text).toContain(expected)
    }))

  test('the search finds repositories and tags of all of them, from everywhere', () =>
    inTab(async (tab) => {
      await tab.visit('/ui/r/charts/shop')
      const { page } = tab
      const search = page.getByRole('searchbox', { name: 'Search repositories and tags' })
      await search.fill('EDIT')
      await page.getByRole('link', { name: 'web/cms/editor' }).waitFor()
      await expect.poll(() => page.locator('tbody tr').count()).toBe(1)
      await search.fill('web/shop:1.')
      await page.getByRole('link', { name: 'Tags' }).click()
      await expect.poll(() => page.locator('tbody tr').count()).toBe(3)
      await page.getByRole('button', { name: 'Tag', exact: true }).click()
      await expect.poll(() => page.locator('tbody tr .name').first().textContent()).toBe('web/shop:1.1.0')
      await search.fill('no such thing')
      await page.getByText('No tag matches').waitFor()
    }))

  test('repositories are sorted by what the server knows of them', () =>
    inTab(async (tab) => {
      await tab.visit('/ui/?under=web')
      const { page } = tab
      const names = () => page.locator('tbody tr .name').allTextContents()
      await page.getByRole('button', { name: 'Size' }).click()
      await expect.poll(names).toEqual(['web/shop', 'web/cms/editor'])
      await expect
        .poll(() => page.getByRole('columnheader', { name: 'Size' }).getAttribute('aria-sort'))
        .toBe('descending')
      await page.getByRole('button', { name: 'Size' }).click()
      await expect.poll(names).toEqual(['web/cms/editor', 'web/shop'])
    }))

  test('repositories are sorted by how often they were pulled', () =>
    inTab(async (tab) => {
      const { page } = tab
      for (const repository of ['scratch/counted/a', 'scratch/counted/b', 'scratch/counted/c'])
        await content.pushTags(repository, ['v1'])
      for (const repository of ['scratch/counted/b', 'scratch/counted/a', 'scratch/counted/b'])
        await fetch(`${registry.url}/v2/${repository}/manifests/v1`)
      await tab.visit('/ui/?under=scratch/counted')
      await page.getByRole('button', { name: 'Pulls' }).click()
      const rows = async () => {
        await page.reload()
        await tab.settle()
        return page
          .locator('tbody tr')
          .evaluateAll((all) =>
            all.map((row) => [row.children[0]?.textContent, row.children[4]?.textContent]),
          )
      }
      await expect.poll(rows).toEqual([
        ['scratch/counted/b', '2'],
        ['scratch/counted/a', '1'],
        ['scratch/counted/c', '0'],
      ])
      expect(await tab.accessibilityFindings()).toEqual([])
    }))

  test('long lists come in pages of fifty from the server', () =>
    inTab(async (tab) => {
      await content.pushTags(
        'scratch/long',
        Array.from({ length: 120 }, (_, number) => `t${1000 + number}`),
      )
      await tab.visit('/ui/r/scratch/long?sort=name')
      const { page } = tab
      const first = () => page.locator('tbody tr .name').first().textContent()
      await expect.poll(() => page.locator('tbody tr').count()).toBe(50)
      await page.getByRole('button', { name: 'Next' }).click()
      await expect.poll(first).toBe('t1050')
      await page.getByRole('button', { name: 'Next' }).click()
      await expect.poll(first).toBe('t1100')
      await expect.poll(() => page.locator('tbody tr').count()).toBe(20)
      await page.getByRole('button', { name: 'Previous' }).click()
      await expect.poll(first).toBe('t1050')
    }))

  test('an image shows its platforms, and its layers beside the history that made them', () =>
    inTab(async (tab) => {
      await tab.visit('/ui/r/web/shop:latest')
      const { page } = tab
      const layers = page.getByRole('region', { name: 'Layers' })
      const steps = await layers.getByRole('listitem').allTextContents()
      expect(steps).toHaveLength(7)
      expect(steps[0]).toMatch(/^ADD file:3f5c1d8e0b7a in \/sha256:[0-9a-f]{12}/)
      expect(steps[1]).toBe('CMD ["bash"]')
      expect(steps[3]).toMatch(/^RUN apt-get update .* tinisha256:/)
      const configuration = page.getByRole('region', { name: 'Configuration' })
      await expect.poll(() => configuration.textContent()).toContain('linux/amd64')
      const digest = await layers.locator('code[title]').first().getAttribute('title')
      await page
        .getByRole('navigation', { name: 'Platforms' })
        .getByRole('link', { name: 'linux/arm64/v8' })
        .click()
      await expect.poll(() => configuration.textContent()).toContain('linux/arm64')
      await expect.poll(() => layers.locator('code[title]').first().getAttribute('title')).not.toBe(digest)
    }))

  test('what refers to an image stands by its purpose, and can be read', () =>
    inTab(async (tab) => {
      await tab.visit('/ui/r/web/shop:latest')
      const { page } = tab
      const referrers = page.getByRole('region', { name: 'Referrers', exact: true })
      await referrers.getByRole('heading').last().waitFor()
      await expect
        .poll(() => referrers.getByRole('heading', { level: 3 }).allTextContents())
        .toEqual(['Signatures 1', 'SBOMs 1', 'Attestations 1', 'Other 1'])
      await expect
        .poll(() => page.getByRole('region', { name: 'Referrers of the index' }).textContent())
        .toContain('sigstore')
      await referrers.getByRole('link', { name: 'SPDX' }).click()
      const packages = page.getByRole('table', { name: 'Packages' })
      await expect.poll(() => packages.getByRole('row').nth(2).textContent()).toBe('zlib1.3.1Zlib')
      await page.getByRole('link', { name: /^sha256:/ }).click()
      await page.getByRole('region', { name: 'Layers' }).waitFor()
    }))

  test('commands are copied, by tag and by digest', () =>
    inTab(async (tab) => {
      await tab.visit('/ui/r/web/shop:latest')
      const { page } = tab
      const host = new URL(registry.url).host
      await page.getByRole('button', { name: 'Copy command for podman' }).click()
      await expect.poll(() => tab.clipboard()).toBe(`podman pull ${host}/web/shop:latest`)
      await page.getByLabel('by digest').check()
      await page.getByRole('button', { name: 'Copy command for docker' }).click()
      await expect
        .poll(() => tab.clipboard())
        .toMatch(new RegExp(`^docker pull ${host}/web/shop@sha256:[0-9a-f]{64}$`))
      await tab.visit('/ui/r/charts/shop:2.1.0_7')
      await page.getByRole('button', { name: 'Copy command for helm' }).click()
      await expect.poll(() => tab.clipboard()).toBe(`helm pull oci://${host}/charts/shop --version 2.1.0+7`)
    }))

  test.each([
    [
      'charts/shop:2.1.0_7',
      ['Helm chart', 'shop 2.1.0+7', 'The web shop with its database', 'postgresql 16.x'],
    ],
    ['models/tiny:v1', ['Model', 'tiny 1', 'llama', 'transformer', 'gguf', 'tiny.gguf']],
    ['tools/filter:v1', ['WebAssembly', 'wasi:http/incoming-handler', 'application/wasm']],
  ])('%s is shown by what it says of itself', (reference, texts) =>
    inTab(async (tab) => {
      await tab.visit(`/ui/r/${reference}`)
      const text = await tab.page.locator('main').textContent()
      for (const expected of texts) expect(text).toContain(expected)
    }),
  )

  test.each(['image', 'artifact', 'odd'])('hostile content is shown as text: %s', (tag) =>
    inTab(async (tab) => {
      await tab.visit(`/ui/r/hostile:${tag}`)
      const { page } = tab
      const closed = page.locator('details:not([open]) > summary')
      while ((await closed.count()) > 0) {
        await closed.first().click()
        await tab.settle()
      }
      if (tag !== 'odd') await expect.poll(() => page.locator('main').textContent()).toContain(HOSTILE)
      expect(await page.locator('main :is(img, script, iframe, [onerror])').count()).toBe(0)
      const targets = await page
        .locator('main a')
        .evaluateAll((links) => links.map((link) => (link as HTMLAnchorElement).protocol))
      expect(targets.filter((protocol) => !/^https?:$/.test(protocol))).toEqual([])
    }),
  )

  test('everything is done with the keyboard alone', () =>
    inTab(async (tab) => {
      await content.pushTags('scratch/keys', ['one', 'two', 'three'])
      await tab.visit('/ui/')
      const { page } = tab
      const { keyboard } = page
      const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '')
      await keyboard.press('Tab')
      await expect.poll(focused).toBe('Skip to content')
      await keyboard.press('/')
      await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe('search')
      await keyboard.press('Escape')
      await keyboard.press('j')
      await expect.poll(focused).toBe('charts/shop')
      await keyboard.press('j')
      await expect.poll(focused).toBe('hostile')
      await keyboard.press('k')
      await keyboard.press('Enter')
      await page.getByRole('heading', { name: 'charts/shop' }).waitFor()
      await tab.visit('/ui/r/scratch/keys')
      await keyboard.press('j')
      await keyboard.press('c')
      await expect
        .poll(() => tab.clipboard())
        .toBe(`docker pull ${new URL(registry.url).host}/scratch/keys:${await focused()}`)
      const doomed = await focused()
      await keyboard.press('x')
      await page.getByRole('button', { name: 'Delete', exact: true }).focus()
      await keyboard.press('Enter')
      await page.getByRole('dialog').waitFor()
      await keyboard.press('Escape')
      await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
      await expect.poll(focused).toBe('Delete')
      await keyboard.press('Enter')
      await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).focus()
      await keyboard.press('Enter')
      await expect
        .poll(() => tagsOf('scratch/keys'))
        .toEqual(['one', 'three', 'two'].filter((tag) => tag !== doomed))
      // The keys of the page wait until the dialog is gone, which it is some time after the tag.
      await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
      await keyboard.press('?')
      await page.getByRole('dialog', { name: 'Keys' }).waitFor()
      await keyboard.press('j')
      await keyboard.press('Escape')
      await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
    }))

  test.each(['light', 'dark'] as const)('axe finds nothing in any view: %s', (colorScheme) =>
    inTab(
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

  test('a phone shows everything within its width', () =>
    inTab(
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
    inTab(async (tab) => {
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
    inTab(async (tab) => {
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
    inTab(async (tab) => {
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
    inTab(async (tab) => {
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

  async function tagsOf(repository: string): Promise<string[]> {
    const answer = await fetch(`${registry.url}/v2/${repository}/tags/list`)
    return ((await answer.json()) as { tags: string[] }).tags
  }

  test('a repository shows what it takes up, and is deleted as a whole, once its name is typed', () =>
    inTab(async (tab) => {
      const { page } = tab
      await tab.visit('/ui/r/charts/shop')
      await page.getByRole('link', { name: 'Usage' }).click()
      await page.getByRole('columnheader', { name: 'Last pulled' }).waitFor()
      await page.getByRole('navigation', { name: 'Show' }).getByRole('link', { name: 'Tags' }).click()
      await page.getByRole('button', { name: 'Delete repository' }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByLabel('Type charts/shop to confirm').fill('charts')
      expect(await dialog.getByRole('button', { name: 'Delete all of it' }).isDisabled()).toBe(true)
      await dialog.getByLabel('Type charts/shop to confirm').fill('charts/shop')
      await dialog.getByRole('button', { name: 'Delete all of it' }).click()
      await dialog.waitFor({ state: 'detached' })
      await page.getByText('Deleted charts/shop').waitFor()
      await page.getByRole('button', { name: 'Undo' }).click()
      await page.getByText('Restored charts/shop').waitFor()
      await page.getByRole('link', { name: '2.1.0_7' }).waitFor()
    }))
})
