/** What the web page shows, in a real browser over a registry with real content. */
import { expect, test } from 'vitest'
import { describePage } from './page-suite.ts'
import { HOSTILE } from './sample-content.ts'

describePage('the views of the web page', (suite) => {
  test('operators see garbage collection, scrubs and notifications', () =>
    suite.inTab(async (tab) => {
      const { page } = tab
      await tab.visit('/ui/operations')
      for (const name of ['Garbage collection', 'Scrub', 'Notifications', 'Mirrors'])
        await page.getByRole('region', { name }).waitFor()
      await page.getByText('No endpoint is notified of changes.').waitFor()
    }))

  test('a browser that opens the registry sees the repositories, by their namespaces', () =>
    suite.inTab(async ({ page }) => {
      await page.goto(`${suite.url}/`)
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
    suite.inTab(async (tab) => {
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

  test('what has no tag is listed with what it belongs to', () =>
    suite.inTab(async (tab) => {
      await tab.visit('/ui/r/web/shop?show=untagged')
      const text = await tab.page.getByRole('table').textContent()
      for (const expected of ['linux/arm64', 'as a part', 'SBOM', 'refers to it'])
        expect(text).toContain(expected)
    }))

  test('the search finds repositories and tags of all of them, from everywhere', () =>
    suite.inTab(async (tab) => {
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
    suite.inTab(async (tab) => {
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
    suite.inTab(async (tab) => {
      const { page } = tab
      for (const repository of ['scratch/counted/a', 'scratch/counted/b', 'scratch/counted/c'])
        await suite.content.pushTags(repository, ['v1'])
      for (const repository of ['scratch/counted/b', 'scratch/counted/a', 'scratch/counted/b'])
        await fetch(`${suite.url}/v2/${repository}/manifests/v1`)
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
    suite.inTab(async (tab) => {
      await suite.content.pushTags(
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
    suite.inTab(async (tab) => {
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

  test('an image names the tags that its content has elsewhere', () =>
    suite.inTab(async (tab) => {
      const { page } = tab
      await suite.content.pushTags('scratch/same/a', ['v1', 'stable'], 7)
      await suite.content.pushTags('scratch/same/b', ['copied'], 7)
      const chips = async () => {
        await tab.visit('/ui/r/scratch/same/a:v1')
        return (await page.locator('a.chip').allTextContents()).sort()
      }
      await expect.poll(chips).toEqual(['scratch/same/b:copied', 'stable', 'v1'])
      await page.getByRole('link', { name: 'scratch/same/b:copied' }).click()
      await page.waitForURL('**/ui/r/scratch/same/b:copied')
    }))

  test('what refers to an image stands by its purpose, and can be read', () =>
    suite.inTab(async (tab) => {
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
    suite.inTab(async (tab) => {
      await tab.visit('/ui/r/web/shop:latest')
      const { page } = tab
      const host = new URL(suite.url).host
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
    suite.inTab(async (tab) => {
      await tab.visit(`/ui/r/${reference}`)
      const text = await tab.page.locator('main').textContent()
      for (const expected of texts) expect(text).toContain(expected)
    }),
  )

  test.each(['image', 'artifact', 'odd'])('hostile content is shown as text: %s', (tag) =>
    suite.inTab(async (tab) => {
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
})
