/** A real Chromium, and what no view of the page may do in it. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { requireTool } from '../support/tools.ts'

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: requireTool('chromium'), args: ['--no-sandbox'] })
}

const SETTLED_FRAMES = 3
/** Places that the focus may go through in a view. */
const MAX_STOPS = 100

/** A tab whose errors, violations of the policy and requests to elsewhere are kept. */
export class Tab implements AsyncDisposable {
  readonly page: Page
  /** What went wrong, in words; a status of the API is none. */
  readonly faults: string[] = []
  readonly #url: string

  private constructor(page: Page, url: string) {
    this.page = page
    this.#url = url
    page.on('pageerror', (error) => this.faults.push(`error: ${error.message}`))
    page.on('console', (message) => {
      const isStatus = /Failed to load resource: the server responded with a status/.test(message.text())
      if (message.type() === 'error' && !isStatus) this.faults.push(`console: ${message.text()}`)
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(`${url}/`)) this.faults.push(`request to ${request.url()}`)
    })
  }

  /** @param url the registry's, without a slash at its end */
  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Tab> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: url })
    const page = await context.newPage()
    page.setDefaultTimeout(30_000)
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
        console.error(`policy: ${violatedDirective} ${blockedURI}`)
      })
    })
    return new Tab(page, url)
  }

  /** Opens a view and waits until nothing is loading. */
  async visit(path: string): Promise<void> {
    await this.page.goto(this.#url + path)
    await this.settle()
  }

  /** Waits until nothing is loading, for three frames: what a view loads next, it begins after it was painted. */
  async settle(): Promise<void> {
    await this.page.evaluate(async (frames) => {
      const isSettled = () =>
        document.querySelector('main > *, main [role=alert]') !== null &&
        document.querySelector('.skeleton, [aria-busy=true]') === null
      for (let settled = 0; settled < frames; settled = isSettled() ? settled + 1 : 0)
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
    }, SETTLED_FRAMES)
  }

  /** Waits until no dialog is left. The browser hides one at once; the page hears of it, and takes it away, a moment later. */
  async leaveDialog(): Promise<void> {
    await this.page.locator('dialog').waitFor({ state: 'detached' })
  }

  /** What axe finds against WCAG 2.2 AA and its own good practice, in words. */
  async accessibilityFindings(): Promise<string[]> {
    await this.page.evaluate(axeSource)
    return this.page.evaluate(async () => {
      const { axe } = window as unknown as { axe: { run(): Promise<AxeResults> } }
      const { violations } = await axe.run()
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
    })
  }

  /** Moves the focus on with the key, until it is on what begins with the text. */
  async focusByKey(text: string): Promise<void> {
    for (let stop = 0; stop < MAX_STOPS; stop++) {
      if ((await this.#focused()).startsWith(text)) return
      await this.page.keyboard.press('Tab')
    }
    throw new Error(`the key does not reach ${text}`)
  }

  /** Controls that can be seen and that the Tab key does not lead to, or that look the same with the focus, in words. */
  async unreachableControls(): Promise<string[]> {
    const { page } = this
    const count = await page.evaluate(() => {
      const controls = document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')
      // Of several radio buttons the chosen one is reached, and by arrows the others.
      const isUsable = (control: Element) =>
        control.checkVisibility() && !control.matches(':disabled, [type=radio]:not(:checked)')
      const shown = [...controls].filter(isUsable)
      for (const control of shown) control.toggleAttribute('data-unreached', true)
      return shown.length
    })
    await page.locator('body').focus()
    // The browser's own controls come between the last one and the first one.
    for (let press = 0; press < count + MAX_STOPS; press++) {
      await page.keyboard.press('Tab')
      const isLast = await page.evaluate(() => {
        const control = document.activeElement
        if (control === null || !control.hasAttribute('data-unreached')) return false
        const { outlineStyle, outlineWidth } = getComputedStyle(control)
        if (outlineStyle !== 'none' && outlineWidth !== '0px') control.removeAttribute('data-unreached')
        return document.querySelector('[data-unreached]') === null
      })
      if (isLast) return []
    }
    return page.evaluate(() =>
      [...document.querySelectorAll('[data-unreached]')].map((control) => control.outerHTML),
    )
  }

  /** The label or the text of what has the focus. */
  #focused(): Promise<string> {
    return this.page.evaluate(() => {
      const element = document.activeElement as HTMLInputElement | null
      const label = element?.labels?.[0]?.textContent ?? element?.ariaLabel ?? element?.textContent ?? ''
      return label.trim()
    })
  }

  clipboard(): Promise<string> {
    return this.page.evaluate(() => navigator.clipboard.readText())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close()
  }
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string }[]
  }[]
}
