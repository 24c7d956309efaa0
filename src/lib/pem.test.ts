import { expect, test } from 'vitest'
import { isCutOffPem } from './pem.ts'

const block = (label: string) => `-----BEGIN ${label}-----\nMIIB\nAAAA\n-----END ${label}-----\n`
const text = `# the first\n${block('CERTIFICATE')}${block('PRIVATE KEY')}`

test.each([text, text.trimEnd(), `${text}# the last\n`, text.replaceAll('\n', '\r\n'), '', '# nothing\n'])(
  'whole: %j',
  (whole) => expect(isCutOffPem(whole)).toBe(false),
)

test('whatever place within a block it is cut off at, it is seen', () => {
  const begin = text.indexOf('-----BEGIN')
  const secondBegins = text.indexOf('-----BEGIN', begin + 1)
  for (let length = begin + 1; length < text.trimEnd().length; length++) {
    const isBetween = length === secondBegins || length === secondBegins - 1
    expect([length, isCutOffPem(text.slice(0, length))]).toEqual([length, !isBetween])
  }
})
