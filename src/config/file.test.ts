import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseConfigFile, parseYaml } from './file.ts'
import type { Tree } from './tree.ts'

const read = (text: string) => parseYaml(text, 'x.yml').value as Tree

describe('plain scalars', () => {
  test('are numbers and booleans where their text can be told from it', () => {
    expect({ ...read('a: 5\nb: true\nc: -1.5\nd: ~\ne:') }).toEqual({
      a: 5,
      b: true,
      c: -1.5,
      d: null,
      e: null,
    })
  })

  test.each(['0012', '1e3', '0x1F', '1_000', 'True', 'Yes', '1.10', '+5'])(
    '%s stays as it was written',
    (text) => {
      expect(read(`a: ${text}`).a).toBe(text)
    },
  )

  test('quotes make text', () => {
    expect(read('a: "5"').a).toBe('5')
  })
})

test('anchors and merge keys work', () => {
  const tree = read('base: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}')
  expect({ ...(tree.c as Tree) }).toEqual({ x: 1, y: 3 })
})

describe('an error', () => {
  test.each([
    ['a: [1', 'x.yml:1:6'],
    ['a: 1\nb: 2\na: 3', 'x.yml:3:1'],
    ['a:\n\t- b', 'x.yml:2:1'],
    ['a: *nowhere', 'x.yml'],
  ])('in %j has its place', (text, place) => {
    expect(parseYaml(text, 'x.yml').problems[0]?.path).toContain(place)
  })

  test('is said of a file that is no map', () => {
    for (const text of ['', '# nothing', '- a', 'word'])
      expect(parseConfigFile(text, 'x.yml')).toEqual({
        problems: [{ path: 'x.yml', message: expect.stringContaining('no map') }],
      })
  })

  test('is said of an alias that would fill the memory', () => {
    const rows = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let row = 1; row < 12; row++)
      rows.push(
        `a${row}: &a${row} [${Array(10)
          .fill(`*a${row - 1}`)
          .join(', ')}]`,
      )
    expect(parseYaml(rows.join('\n'), 'x.yml').problems).toHaveLength(1)
  })

  const wide = `a: &a [${Array(2000).fill('x').join(',')}]`
  const many = (count: number, line: (index: number) => string) =>
    Array.from({ length: count }, (_, i) => line(i))

  test.each([
    ['an alias in its own list', 'a: &a [*a]', 'has an alias to its own parent'],
    ['an alias in its own map', 'a: &a {b: *a}', 'has an alias to its own parent'],
    ['one that doubles', 'a: &a [*a, *a]', 'has an alias to its own parent'],
    ['nothing to merge', 'a:\n  <<:', 'x.yml:2:3: not valid YAML: a merge key (<<) needs'],
    ['a number to merge', 'a: {<<: 5}', 'x.yml:1:5: not valid YAML: a merge key (<<) needs'],
    ['a list of numbers to merge', 'a: {<<: [5]}', 'a merge key (<<) needs'],
    ['a list to merge by its alias', 'b: &b [1]\na: {<<: [*b]}', 'a merge key (<<) needs'],
    ['a merge of itself', 'a: &a\n  <<: *a', 'not valid YAML'],
    ['a merge within itself', 'a: &a {b: {<<: *a}}', 'not valid YAML'],
    ['brackets without end', '['.repeat(5000), 'not valid YAML'],
    ['deep lists', `a: ${'['.repeat(100)}${']'.repeat(100)}`, 'more than 64 deep'],
    ['deep maps', many(100, (i) => `${' '.repeat(i)}a:`).join('\n'), 'more than 64 deep'],
    ['deeper lists', `a: ${'['.repeat(5000)}${']'.repeat(5000)}`, 'not valid YAML'],
    ['dashes', '- '.repeat(5000), 'not valid YAML'],
    ['questions', '? '.repeat(5000), 'not valid YAML'],
    ['maps as the keys of maps', '? '.repeat(500), 'x.yml:1:3: not valid YAML: a key is a map or a list'],
    ['a list as a key, by its alias', 'a: &a [1]\n*a : 2', 'a key is a map or a list'],
    ['many aliases of much', `${wide}\nb: [${Array(99).fill('*a').join(',')}]`, 'more than 100000 values'],
    ['very many aliases', many(1200, (i) => `- &a${i} 1\n- *a${i}`).join('\n'), 'more than 1000 aliases'],
    ['a set', 'a: !!set {b}', 'a has a tag'],
    ['an ordered map', 'a: !!omap [b: 1]', 'a has a tag'],
    ['bytes', 'a: !!binary "AAAA"', 'a has a tag'],
    ['too much of anything', '#'.repeat(256 * 1024 + 1), 'x.yml: found more than 256 KiB'],
  ])('is said of %s', (_what, text, said) => {
    const { value, problems } = parseYaml(text, 'x.yml')
    expect(value).toBeNull()
    expect(problems.map(({ path, message }) => `${path}: ${message}`).join('\n')).toContain(said)
  })

  test('is one of a hundred at most', () => {
    expect(parseYaml('}\n'.repeat(2000), 'x.yml').problems).toHaveLength(100)
  })

  test('is said of a key that stands twice, as it is written or as it is meant, without comparing all with all', () => {
    for (const text of ['1: a\n"1": b', '? \n: 1\n? \n: 2', '{a: 1, a: 2}'])
      expect(parseYaml(text, 'x.yml').problems).toMatchObject([
        { message: 'not valid YAML: Map keys must be unique' },
      ])
    const msFor = (count: number) => {
      const keys = many(count, (index) => `key${index}: 1`).join('\n')
      const startedAt = performance.now()
      expect(parseYaml(keys, 'x.yml').problems).toEqual([])
      return performance.now() - startedAt
    }
    // Eight times as many keys take about eight times as long; with pairwise comparison it would be 64 times.
    expect(msFor(16_000) / Math.max(msFor(2000), msFor(2000))).toBeLessThan(30)
  })
})

test('no key reaches a prototype', () => {
  const { value, problems } = parseYaml(
    '__proto__: {polluted: 1}\na: {constructor: {prototype: 2}}\nb: [{prototype: 3}]',
    'x.yml',
  )
  expect(problems.map(({ path }) => path)).toEqual(['__proto__', 'a.constructor', 'b[0].prototype'])
  expect(Object.getPrototypeOf(value)).toBeNull()
  expect(Object.keys((value as Tree).a as Tree)).toEqual([])
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})

test('no text whatever throws', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => void parseYaml(text, 'x.yml')),
  )
  const yamlish = fc.stringMatching(/^[a-c:\-[\]{}&*!|>'"%@`#,? \n\t<~0-9]{0,60}$/)
  fc.assert(
    fc.property(yamlish, (text) => void parseYaml(text, 'x.yml')),
    { numRuns: 500 },
  )
})
