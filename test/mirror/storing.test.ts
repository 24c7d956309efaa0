/** Storage that fails or hangs while a blob arrives: clients are served all the same. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { StorageError } from '../../src/core/errors.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { type MirrorUnderTest, startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

const blob = randomBytes(1_000_000)
const digest = digestOf(blob)

let upstream: ScriptedUpstream
beforeEach(async () => {
  upstream = await ScriptedUpstream.start()
  upstream.addBlob(blob)
})
afterEach(() => upstream.stop())

async function expectServed(mirror: MirrorUnderTest): Promise<void> {
  const answer = await mirror.http.send(`GET /v2/a/blobs/${digest}`)
  expect([answer.status, answer.body.equals(blob)]).toEqual([200, true])
}

const isStored = (mirror: MirrorUnderTest) => mirror.http.registry.repository('a' as never).blobs.has(digest)

test('clients are served though nothing can be stored', async () => {
  const driver = new FaultyDriver(new MemoryDriver(), ({ method, path }) =>
    method === 'append' ? new StorageError('NO_SPACE', { path }) : undefined,
  )
  await using mirror = await startMirror({ url: upstream.url }, { driver })
  await expectServed(mirror)
  await expect.poll(() => mirror.flights.count).toBe(0)
  expect(mirror.upstreams[0]?.figures.storeFailures).toBe(1)
})

test.each(['append', 'move'] as const)('a blob whose %s hangs is given up after a while', async (method) => {
  const driver = new HangingDriver(method)
  const settings = { storeTimeoutMs: 100 }
  await using mirror = await startMirror({ url: upstream.url, settings }, { driver })
  await expectServed(mirror)
  await expect.poll(() => mirror.flights.count).toBe(0)
  expect(mirror.upstreams[0]?.figures.storeFailures).toBe(1)
  driver.hangs.resolve()
  await expectServed(mirror)
  await expect.poll(() => isStored(mirror)).toBe(true)
})

test('who comes while a blob is being stored does not wait for that', async () => {
  const driver = new HangingDriver('move')
  await using mirror = await startMirror({ url: upstream.url }, { driver })
  await expectServed(mirror)
  await driver.begun.promise
  await expectServed(mirror)
  driver.hangs.resolve()
  await expect.poll(() => isStored(mirror)).toBe(true)
  expect(upstream.seen('GET', /blobs/)).toHaveLength(1)
})

/** One of its methods waits until `hangs` resolves. */
class HangingDriver extends MemoryDriver {
  readonly begun = Promise.withResolvers<void>()
  readonly hangs = Promise.withResolvers<void>()
  readonly #method: 'append' | 'move'

  constructor(method: 'append' | 'move') {
    super()
    this.#method = method
  }

  override async append(...parameters: Parameters<MemoryDriver['append']>) {
    if (this.#method === 'append') await this.#hang()
    return super.append(...parameters)
  }

  override async move(...parameters: Parameters<MemoryDriver['move']>) {
    if (this.#method === 'move') await this.#hang()
    return super.move(...parameters)
  }

  #hang(): Promise<void> {
    this.begun.resolve()
    return this.hangs.promise
  }
}
