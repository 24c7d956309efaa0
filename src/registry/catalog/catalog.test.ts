import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { collectAll } from '../../../test/contract/storage-driver/support.ts'
import { FaultyDriver } from '../../../test/support/faulty-driver.ts'
import { RoundTripsDriver } from '../../../test/support/round-trips-driver.ts'
import { StorageError } from '../../core/errors.ts'
import { ForwardingDriver } from '../../core/forwarding-driver.ts'
import { isRepositoryName } from '../../core/reference.ts'
import type { Entry, ListOptions, StorageDriver } from '../../core/storage-driver.ts'
import { MemoryDriver } from '../../storage/memory.ts'
import { REPOSITORIES } from '../paths.ts'
import { REPOSITORY_MARKS, repositoryNames } from './catalog.ts'

async function driverWith(names: Iterable<string>, mark = '_layers'): Promise<MemoryDriver> {
  const driver = new MemoryDriver()
  for (const name of names) await driver.put(`${REPOSITORIES}/${name}/${mark}/sha256/x/link`, Buffer.of())
  return driver
}

function catalog(driver: StorageDriver, after?: string): AsyncIterable<string> {
  return repositoryNames(driver, { kept: REPOSITORY_MARKS, ...(after !== undefined && { after }) })
}

async function firstOf(names: AsyncIterable<string>, count: number): Promise<string[]> {
  const first: string[] = []
  for await (const name of names) if (first.push(name) === count) break
  return first
}

/** Tells some listings at once: those of the folders for which the function returns true at that moment. */
class PeekingDriver extends ForwardingDriver {
  readonly #entries = new Map<string, Entry[]>()
  readonly #isAtHand: (folder: string) => boolean

  constructor(driver: StorageDriver, isAtHand: (folder: string) => boolean) {
    super(driver)
    this.#isAtHand = isAtHand
  }

  async learn(folder = REPOSITORIES): Promise<this> {
    const entries = await collectAll(this.driver.list(folder))
    this.#entries.set(folder, entries)
    for (const { name, kind } of entries) if (kind === 'folder') await this.learn(`${folder}/${name}`)
    return this
  }

  override peekList(folder: string, { after = '' }: ListOptions = {}): Iterable<Entry> | undefined {
    if (!this.#isAtHand(folder)) return undefined
    return this.#entries.get(folder)?.filter(({ name }) => name > after) ?? []
  }
}

/** Short names of few characters, so that many are prefixes of each other. */
const names = fc
  .uniqueArray(
    fc.string({ unit: fc.constantFrom('a', 'b', '0', '-', '.', '_', '/'), minLength: 1, maxLength: 9 }),
    { maxLength: 60 },
  )
  .map((texts) => texts.filter(isRepositoryName))

const anyText = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', '0', '-', '.', '_', '/', ' ', '~', 'A', 'é'), maxLength: 9 }),
  fc.string({ maxLength: 5 }),
)

describe('the names of repositories', () => {
  it('are those that there are, in byte order, behind whatever text', async () => {
    await fc.assert(
      fc.asyncProperty(
        names,
        names,
        fc.array(anyText, { maxLength: 5 }),
        async (repositories, others, texts) => {
          const driver = await driverWith(repositories)
          for (const other of others)
            await driver.put(`${REPOSITORIES}/${other}/_uploads/x/startedat`, Buffer.of())
          const sorted = [...repositories].sort()
          expect(await collectAll(catalog(driver))).toEqual(sorted)
          for (const after of [...texts, ...repositories.slice(0, 5), ...others.slice(0, 5)]) {
            expect(await collectAll(catalog(driver, after)), after).toEqual(
              sorted.filter((name) => name > after),
            )
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('are the same if storage tells some or all of its listings at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        names,
        fc.array(anyText, { maxLength: 3 }),
        fc.infiniteStream(fc.boolean()),
        async (repositories, texts, choices) => {
          const driver = await driverWith(repositories)
          const all = await new PeekingDriver(driver, () => true).learn()
          const some = await new PeekingDriver(driver, () => choices.next().value).learn()
          for (const after of ['', ...texts, ...repositories.slice(0, 5)]) {
            const expected = repositories.filter((name) => name > after).sort()
            expect(await collectAll(catalog(all, after)), after).toEqual(expected)
            expect(await collectAll(catalog(some, after)), after).toEqual(expected)
          }
        },
      ),
    )
  })

  it('are listed without a wait where storage tells all at once', async () => {
    const driver = await driverWith(['a', 'a/b', 'a-b', 'c/d'])
    const listed: string[] = []
    class Watched extends PeekingDriver {
      override list(folder: string, options?: ListOptions): AsyncIterable<Entry> {
        listed.push(folder)
        return super.list(folder, options)
      }
    }
    const peeking = await new Watched(driver, () => true).learn()
    expect(await collectAll(catalog(peeking))).toEqual(['a', 'a-b', 'a/b', 'c/d'])
    expect(listed).toEqual([])
  })

  it('are found a page at a time as they are found at once', async () => {
    await fc.assert(
      fc.asyncProperty(names, fc.integer({ min: 1, max: 7 }), async (repositories, size) => {
        const driver = await driverWith(repositories)
        const found: string[] = []
        for (;;) {
          const page = await firstOf(catalog(driver, found.at(-1)), size)
          found.push(...page)
          if (page.length < size) break
        }
        expect(found).toEqual([...repositories].sort())
      }),
    )
  })

  it.each(['', 'team/'])('are found in a folder of more names than are held (%j)', async (prefix) => {
    const digits = Array.from({ length: 300 }, (_, index) => `${prefix}${index}`)
    const letters = digits.map((name) => `${prefix}a${name.slice(prefix.length)}`)
    for (const some of [digits, letters, [...digits, ...letters]]) {
      const all = [
        ...some,
        ...some.map((name) => `${name}/x`),
        ...(prefix === '' ? [] : ['team', 'team-b']),
      ].sort()
      const memory = await driverWith(all, '_manifests')
      for (const driver of [memory, await new PeekingDriver(memory, () => true).learn()]) {
        expect(await collectAll(catalog(driver))).toEqual(all)
        for (const after of [all[1], all[250], all[599]] as string[]) {
          expect(await collectAll(catalog(driver, after))).toEqual(all.filter((name) => name > after))
        }
      }
    }
  })
})

const shapes: [string, (index: number) => string][] = [
  ['side by side', (index) => `app-${index}`],
  ['100 in each of 100 folders', (index) => `team-${index % 100}/app-${Math.floor(index / 100)}`],
  ['each in a folder', (index) => `team-${index}/app`],
  ['in folders that are repositories too', (index) => `${index % 100}${index < 100 ? '' : `/${index}`}`],
  ['each in folders that begin with each other', (index) => `team-${index % 97}-${index}/app`],
]

describe.each(shapes)('of 10,000 repositories %s', (_shape, nameOf) => {
  const all = Array.from({ length: 10_000 }, (_, index) => nameOf(index)).sort()

  it('any page of 100 costs some rounds of listings that are made together', async () => {
    const memory = await driverWith(all)
    for (const start of [0, 5_050, 9_900]) {
      const driver = new RoundTripsDriver(memory)
      const after = start === 0 ? undefined : all[start - 1]
      expect(await firstOf(catalog(driver, after), 100)).toEqual(all.slice(start, start + 100))
      expect(driver.rounds).toBeLessThanOrEqual(16)
      expect(driver.count('list')).toBeLessThanOrEqual(280)
    }
  })

  it('a single name costs few', async () => {
    const driver = new RoundTripsDriver(await driverWith(all))
    expect(await firstOf(catalog(driver), 1)).toEqual(all.slice(0, 1))
    expect(driver.count('list')).toBeLessThanOrEqual(12)
  })
})

it('an outage is not the end of the names', async () => {
  const repositories = Array.from({ length: 50 }, (_, index) => `app-${index}/part`).sort()
  const driver = new FaultyDriver(await driverWith(repositories))
  driver.fault = ({ path }) =>
    path.endsWith('/app-30') ? new StorageError('BACKEND_FAILED', { path }) : undefined
  const found: string[] = []
  const walk = async () => {
    for await (const name of catalog(driver)) found.push(name)
  }
  await expect(walk()).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  expect(found).toEqual(repositories.filter((name) => name < 'app-30'))
})
