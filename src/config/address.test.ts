import { expect, test } from 'vitest'
import { parseTcpAddress } from './address.ts'

test.each([
  [':5000', undefined, 5000],
  ['localhost:5000', 'localhost', 5000],
  ['0.0.0.0:0', '0.0.0.0', 0],
  ['[::1]:443', '::1', 443],
  ['[::]:443', '::', 443],
])('%s', (address, host, port) => {
  expect(parseTcpAddress(address)).toEqual({ host, port })
})

test.each([
  '',
  '5000',
  'localhost',
  'localhost:',
  'localhost:http',
  ':65536',
  '::1:80',
  '/run/x.sock',
  'a/b:1',
])('%j is no address', (address) => expect(parseTcpAddress(address)).toBeUndefined())
