import type { IncomingMessage } from 'node:http'
import { BlockList } from 'node:net'
import { expect, test } from 'vitest'
import { clientAddress } from './client-address.ts'

function addressOf(remoteAddress: string | undefined, headers: Record<string, string> = {}): string {
  const trusted = new BlockList()
  trusted.addSubnet('10.0.0.0', 8)
  trusted.addAddress('fd00::1', 'ipv6')
  return clientAddress({ socket: { remoteAddress }, headers } as unknown as IncomingMessage, trusted)
}

test.each([
  ['192.0.2.1', {}, '192.0.2.1'],
  ['::ffff:192.0.2.1', {}, '192.0.2.1'],
  ['192.0.2.1', { 'x-forwarded-for': '198.51.100.7' }, '192.0.2.1'],
  ['10.1.2.3', { 'x-forwarded-for': '198.51.100.7' }, '198.51.100.7'],
  ['::ffff:10.1.2.3', { 'x-forwarded-for': '198.51.100.7' }, '198.51.100.7'],
  ['10.1.2.3', { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' }, '198.51.100.7'],
  ['10.1.2.3', { 'x-forwarded-for': '198.51.100.7, 10.9.9.9' }, '198.51.100.7'],
  ['10.1.2.3', { 'x-forwarded-for': '10.9.9.9' }, '10.9.9.9'],
  ['10.1.2.3', { 'x-forwarded-for': 'unknown' }, '10.1.2.3'],
  ['10.1.2.3', { 'x-forwarded-for': '203.0.113.9, nonsense' }, '10.1.2.3'],
  ['10.1.2.3', { 'x-forwarded-for': '198.51.100.7:4711' }, '198.51.100.7'],
  ['10.1.2.3', { 'x-forwarded-for': '' }, '10.1.2.3'],
  ['10.1.2.3', {}, '10.1.2.3'],
  ['10.1.2.3', { forwarded: 'for=198.51.100.7;proto=https' }, '198.51.100.7'],
  ['10.1.2.3', { forwarded: 'proto=https; for="[2001:db8::7]:4711"' }, '2001:db8::7'],
  ['10.1.2.3', { forwarded: 'for=203.0.113.9, for=198.51.100.7' }, '198.51.100.7'],
  ['fd00::1', { 'x-forwarded-for': '2001:db8::7' }, '2001:db8::7'],
  [undefined, {}, ''],
  [undefined, { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' }, '198.51.100.7'],
])('from %s with %j: %s', (remoteAddress, headers, expected) => {
  expect(addressOf(remoteAddress, headers)).toBe(expected)
})
