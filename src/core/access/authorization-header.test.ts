import { expect, test } from 'vitest'
import { parseBasic, splitAuthorization } from './authorization-header.ts'

const encoded = (text: string) => Buffer.from(text).toString('base64')

test.each([
  ['alice:secret', { username: 'alice', password: 'secret' }],
  ['alice:a:b:', { username: 'alice', password: 'a:b:' }],
  ['älice:pässword', { username: 'älice', password: 'pässword' }],
  [':', { username: '', password: '' }],
  ['alice', undefined],
])('%s', (text, login) => {
  expect(parseBasic(encoded(text))).toEqual(login)
})

test.each(['***', 'YWxpY2U6c2VjcmV0 YWxpY2U6c2VjcmV0', 'é'])('%s is no base64', (text) => {
  expect(parseBasic(text)).toBeUndefined()
})

test.each([
  ['Basic abc', { scheme: 'basic', credentials: 'abc' }],
  ['bearer  abc ', { scheme: 'bearer', credentials: 'abc' }],
  ['Bearer', { scheme: 'bearer', credentials: '' }],
  ['', { scheme: '', credentials: '' }],
])('the scheme of %s', (header, parts) => {
  expect(splitAuthorization(header)).toEqual(parts)
})
