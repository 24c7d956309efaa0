import type { Browser, BrowserContextOptions } from 'playwright-core'
import { afterAll, beforeAll, expect } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { launchBrowser, Tab } from './browser.ts'
import { SampleContent, startSampleRegistry } from './sample-content.ts'

/** A real browser and a registry with real content, for the tests of one file. */
export class PageSuite {
  #folder: TemporaryFolder | undefined
  #registry: ServerProcess | undefined
  #content: SampleContent | undefined
  #browser: Browser | undefined

  async start(): Promise<void> {
    this.#folder = await temporaryFolder()
    this.#registry = await startSampleRegistry(this.#folder)
    this.#content = new SampleContent(this.#registry.url)
    await this.#content.pushAll()
    this.#browser = await launchBrowser()
  }

  async stop(): Promise<void> {
    await this.#browser?.close()
    await this.#registry?.stop()
    await this.#folder?.remove()
  }

  /** Of the registry, without a slash at its end. */
  get url(): string {
    return started(this.#registry).url
  }

  get content(): SampleContent {
    return started(this.#content)
  }

  /** Does something in a tab of its own, which must show no fault. */
  async inTab(act: (tab: Tab) => Promise<void>, options: BrowserContextOptions = {}): Promise<void> {
    await using tab = await Tab.open(started(this.#browser), this.url, options)
    await act(tab)
    expect(tab.faults).toEqual([])
    const { hacked } = await tab.page.evaluate(() => ({ hacked: 'hacked' in window }))
    expect(hacked).toBe(false)
  }

  /** When the registry last counted what its repositories use. */
  async countedAt(repository: string): Promise<string | null> {
    const answer = await fetch(`${this.url}/v2/${repository}/_entrepot/usage/summary`)
    return ((await answer.json()) as { countedAt: string | null }).countedAt
  }

  async tagsOf(repository: string): Promise<string[]> {
    const answer = await fetch(`${this.url}/v2/${repository}/tags/list`)
    return ((await answer.json()) as { tags: string[] }).tags
  }
}

/** Tests in a browser, where there is one. */
export function describePage(title: string, define: (suite: PageSuite) => void): void {
  describeWith(['chromium'], title, () => {
    const suite = new PageSuite()
    beforeAll(() => suite.start())
    afterAll(() => suite.stop())
    define(suite)
  })
}

function started<Part>(part: Part | undefined): Part {
  if (part === undefined) throw new Error('it has not started')
  return part
}
