import { expect, test } from 'vitest'
import { areSameAddress, parseTcpAddress } from './address.ts'

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

test.each([
  [':5000', ':5000', true],
  ['localhost:5000', 'localhost:5000', true],
  ['127.0.0.1:5000', ':5000', true],
  ['0.0.0.0:5000', '10.0.0.1:5000', true],
  ['[::]:5000', '127.0.0.1:5000', true],
  ['127.0.0.1:5000', '127.0.0.2:5000', false],
  [':5000', ':5001', false],
  ['127.0.0.1:0', '127.0.0.1:0', false],
])('%s and %s, in the way of each other: %s', (one, other, expected) => {
  expect(areSameAddress(parseTcpAddress(one)!, parseTcpAddress(other)!)).toBe(expected)
  expect(areSameAddress(parseTcpAddress(other)!, parseTcpAddress(one)!)).toBe(expected)
})
