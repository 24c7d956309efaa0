import { expect, test } from 'vitest'
import { isLiteral, isPrivate, publicLookup } from './private-addresses.ts'

test.each([
  ...['127.0.0.1', '10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0'],
  ...['::1', 'fe80::1', 'fd00::1', '::ffff:10.0.0.1', '::'],
  ...['::ffff:a00:1', '64:ff9b::10.0.0.1', '64:ff9b::7f00:1'],
])('%s is private', (address) => {
  expect(isPrivate(address)).toBe(true)
})

test.each(['8.8.8.8', '172.32.0.1', '2001:4860:4860::8888', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8'])(
  '%s is public',
  (address) => {
    expect(isPrivate(address)).toBe(false)
  },
)

test.each(['127.0.0.1', '[::1]', 'localhost', 'receiver', 'receiver.team.svc', 'a.internal', 'a.local.'])(
  '%s says by itself that it is private',
  (host) => {
    expect(isLiteral(host)).toBe(true)
  },
)

test.each(['example.com', 'hooks.example.com', 'internal.example.com', 'local.com'])(
  '%s is a name of the public internet',
  (host) => {
    expect(isLiteral(host)).toBe(false)
  },
)

function lookup(networks: readonly string[]): Promise<unknown> {
  return new Promise((resolve) => {
    publicLookup(networks)('localhost', { all: true }, (error, addresses) => resolve(error ?? addresses))
  })
}

test('a name that leads to a private address is refused, unless its network is configured', async () => {
  expect(await lookup([])).toMatchObject({ code: 'PRIVATE_ADDRESS' })
  expect(await lookup(['10.0.0.0/8'])).toMatchObject({ code: 'PRIVATE_ADDRESS' })
  expect(await lookup(['127.0.0.0/8', '::1/128'])).toContainEqual({
    address: expect.any(String),
    family: expect.any(Number),
  })
})
