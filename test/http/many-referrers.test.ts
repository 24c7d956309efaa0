/** Ten thousand manifests that refer to one: what a list of them costs. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { referrerPayload, subject } from '../contract/registry/referrer-support.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { eachInTurns } from '../support/in-turns.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

const count = 10_000
const rareType = 'application/x.rare'
const path = `/v2/a/referrers/${subject}`

interface Page {
  readonly digests: string[]
  readonly bytes: number
  readonly next: string | undefined
}

async function pageOf(registry: HttpRegistry, from: string): Promise<Page> {
  const { status, headers, body } = await registry.send(`GET ${from}`)
  expect(status).toBe(200)
  const { manifests } = JSON.parse(body.toString()) as { manifests: { digest: string }[] }
  const next = /^<([^>]+)>; rel="next"$/.exec((headers as { link?: string }).link ?? '')?.[1]
  return { digests: manifests.map(({ digest }) => digest), bytes: body.length, next }
}

describe('ten thousand referrers of one manifest', () => {
  const payloads = Array.from({ length: count }, (_, number) =>
    referrerPayload(`${number}`, number % 1000 === 0 ? { artifactType: rareType } : {}),
  )
  const digests = payloads.map((payload) => digestOf(payload)).sort()
  let folder: TemporaryFolder
  let driver: FaultyDriver
  let registry: HttpRegistry

  beforeAll(async () => {
    folder = await temporaryFolder({ inMemory: true })
    await restart()
    await registry.client.pushBlob('a', Buffer.from('{}'))
    const headers = { 'content-type': MediaType.ociManifest }
    await eachInTurns(payloads, async (body) => {
      const { status } = await registry.send(`PUT /v2/a/manifests/${digestOf(body)}`, { body, headers })
      expect(status).toBe(201)
    })
    await pageOf(registry, `${path}?n=1`) // nothing is there from before
  }, 180_000)
  afterAll(async () => {
    await registry?.stop()
    await folder?.remove()
  })

  /** A process that remembers nothing. */
  async function restart(): Promise<void> {
    await registry?.stop()
    driver = new FaultyDriver(new FilesystemDriver({ root: folder.path }))
    registry = await HttpRegistry.start({ driver })
  }

  const manifestsRead = () =>
    driver.calls.filter(({ method, path: file }) => method === 'get' && /\/blobs\//.test(file))
  const listings = () => driver.calls.filter(({ method }) => method === 'list')

  test('are on one page, which ends before 4 MiB', async () => {
    const page = await pageOf(registry, path)
    expect(page.digests).toEqual(digests)
    expect(page.bytes).toBeLessThan(4 * 1024 * 1024)
    expect(page.next).toBeUndefined()
  })

  test('are on many pages where that is asked for', async () => {
    const found: string[] = []
    for (let next: string | undefined = `${path}?n=900`; next !== undefined; ) {
      const page: Page = await pageOf(registry, next)
      found.push(...page.digests)
      next = page.next
    }
    expect(found).toEqual(digests)
  })

  test('cost a process that remembers nothing one listing and some summaries, not a read of each', async () => {
    await restart()
    await pageOf(registry, path)
    expect(manifestsRead().length).toBeLessThan(count / 20)
    expect(listings()).toHaveLength(2) // one an algorithm
  })

  test('cost one listing and a few reads when they are known', async () => {
    await pageOf(registry, path)
    for (const query of ['', '?n=100', `?last=${digests[5000]}`, `?artifactType=${rareType}`]) {
      driver.forget()
      await pageOf(registry, path + query)
      expect(listings().length).toBeLessThanOrEqual(2)
      expect(driver.count('get')).toBeLessThan(100)
      expect(manifestsRead()).toEqual([])
    }
  })

  test('are found by their type', async () => {
    const { digests: rare } = await pageOf(registry, `${path}?artifactType=${rareType}`)
    const expected = payloads.filter((_, number) => number % 1000 === 0).map((payload) => digestOf(payload))
    expect(rare).toEqual(expected.sort())
  })

  test('do not fill the memory, however often they are listed', async () => {
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    await pageOf(registry, path)
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    for (let time = 0; time < 10; time++) await pageOf(registry, path)
    collectGarbage()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10 * 1024 * 1024)
  })
})
