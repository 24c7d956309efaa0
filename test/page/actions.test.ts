/** What people do on the web page, in a real browser: by mouse and by keyboard. */
import { expect, test } from 'vitest'
import { describePage } from './page-suite.ts'

describePage('the actions of the web page', (suite) => {
  test('several tags are selected and deleted, once it is confirmed', () =>
    suite.inTab(async (tab) => {
      await suite.content.pushTags('scratch/many', ['a', 'b', 'c', 'd'])
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
      expect(await suite.tagsOf('scratch/many')).toEqual(['a', 'b', 'c', 'd'])
      await selection.getByRole('button', { name: 'Delete', exact: true }).click()
      await dialog.getByRole('button', { name: 'Delete', exact: true }).click()
      await page.getByText('Deleted 2 tags').waitFor()
      await expect.poll(() => suite.tagsOf('scratch/many')).toEqual(['a', 'c'])
      await expect.poll(() => page.locator('tbody tr').count()).toBe(2)
    }))

  test('a deletion is undone at once, or later', () =>
    suite.inTab(async (tab) => {
      await suite.content.pushTags('scratch/undo', ['a', 'b'])
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
      expect(await suite.tagsOf('scratch/undo')).toEqual(['a', 'b'])
      await tab.settle()
      await remove('b')
      await page.getByRole('link', { name: 'Deleted' }).click()
      await page.getByRole('button', { name: 'Restore b' }).click()
      await page.getByText('Nothing was deleted').waitFor()
      expect(await suite.tagsOf('scratch/undo')).toEqual(['a', 'b'])
      await tab.visit('/ui/r/scratch/undo:b')
      const history = page.getByRole('region', { name: 'History of the tag' })
      await expect.poll(() => history.getByRole('listitem').count()).toBe(3)
      await expect.poll(() => history.getByRole('listitem').nth(1).textContent()).toContain('removed')
    }))

  test('the move of a tag is undone', () =>
    suite.inTab(async (tab) => {
      const { page } = tab
      const digestOf = async () =>
        (await fetch(`${suite.url}/v2/scratch/moved/manifests/v1`)).headers.get('docker-content-digest')
      await suite.content.pushTags('scratch/moved', ['v1'])
      const before = await digestOf()
      await suite.content.pushTags('scratch/moved', ['v1'], 2)
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

  test('a repository shows what it takes up, and is deleted as a whole, once its name is typed', () =>
    suite.inTab(async (tab) => {
      const { page } = tab
      await expect.poll(() => suite.countedAt('charts/shop'), { timeout: 20_000 }).not.toBeNull()
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
      await tab.leaveDialog()
      await page.getByText('Deleted charts/shop').waitFor()
      await page.getByRole('button', { name: 'Undo' }).click()
      await page.getByText('Restored charts/shop').waitFor()
      await page.getByRole('link', { name: '2.1.0_7' }).waitFor()
    }))

  test('everything is done with the keyboard alone', () =>
    suite.inTab(async (tab) => {
      await suite.content.pushTags('scratch/keys', ['one', 'two', 'three'])
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
        .toBe(`docker pull ${new URL(suite.url).host}/scratch/keys:${await focused()}`)
      const doomed = await focused()
      await keyboard.press('x')
      await page.getByRole('button', { name: 'Delete', exact: true }).focus()
      await keyboard.press('Enter')
      await page.getByRole('dialog').waitFor()
      await keyboard.press('Escape')
      await tab.leaveDialog()
      await expect.poll(focused).toBe('Delete')
      await keyboard.press('Enter')
      await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).focus()
      await keyboard.press('Enter')
      await expect
        .poll(() => suite.tagsOf('scratch/keys'))
        .toEqual(['one', 'three', 'two'].filter((tag) => tag !== doomed))
      await tab.leaveDialog()
      await keyboard.press('?')
      await page.getByRole('dialog', { name: 'Keys' }).waitFor()
      await keyboard.press('j')
      await keyboard.press('Escape')
      await tab.leaveDialog()
    }))

  test('what was deleted or moved is restored with the keyboard alone, and a repository deleted', () =>
    suite.inTab(async (tab) => {
      const { page } = tab
      const { keyboard } = page
      await suite.content.pushTags('scratch/typed', ['v1', 'v2'])
      await suite.content.pushTags('scratch/typed', ['v1'], 2)
      await fetch(`${suite.url}/v2/scratch/typed/manifests/v2`, { method: 'DELETE' })
      await tab.visit('/ui/r/scratch/typed?show=deleted')
      await tab.focusByKey('Restore v2')
      await keyboard.press('Enter')
      await page.getByText('Nothing was deleted').waitFor()
      expect(await suite.tagsOf('scratch/typed')).toEqual(['v1', 'v2'])
      await tab.visit('/ui/r/scratch/typed:v1')
      await tab.focusByKey('Undo the move of v1')
      await keyboard.press('Enter')
      await page.getByText('Moved v1 back to').waitFor()
      await tab.focusByKey('Copy command for skopeo')
      await keyboard.press('Enter')
      await expect.poll(() => tab.clipboard()).toContain('/scratch/typed:v1')
      await tab.visit('/ui/r/scratch/typed')
      await tab.focusByKey('Delete repository')
      await keyboard.press('Enter')
      await page.getByRole('dialog').waitFor()
      await tab.focusByKey('Type scratch/typed to confirm')
      await keyboard.type('scratch/typed')
      await tab.focusByKey('Delete all of it')
      await keyboard.press('Enter')
      await page.getByText('Deleted scratch/typed').waitFor()
      await tab.focusByKey('Undo')
      await keyboard.press('Enter')
      await page.getByText('Restored scratch/typed').waitFor()
      expect(await suite.tagsOf('scratch/typed')).toEqual(['v1', 'v2'])
    }))
})
