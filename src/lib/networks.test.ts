import { expect, test } from 'vitest'
import { isNetwork, isWithin, networkList } from './networks.ts'

test.each(['10.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '::1', 'fd00::/8', '2001:db8::/128'])(
  '%s is a network',
  (text) => {
    expect(isNetwork(text)).toBe(true)
  },
)

test.each(['', 'localhost', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0/8', 'fd00::/129', '10.0.0.0/', '/8'])(
  '%j is none',
  (text) => {
    expect(isNetwork(text)).toBe(false)
  },
)

test('an address is within a list where one of its networks has it', () => {
  const list = networkList(['10.0.0.0/8', 'fd00::/8', '192.0.2.7'])
  const within = ['10.255.0.1', 'fd12::1', '192.0.2.7', '::ffff:10.0.0.1']
  const without = ['11.0.0.1', 'fe00::1', '192.0.2.8', '', 'localhost']
  expect(within.filter((address) => !isWithin(list, address))).toEqual([])
  expect(without.filter((address) => isWithin(list, address))).toEqual([])
})
