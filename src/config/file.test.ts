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
