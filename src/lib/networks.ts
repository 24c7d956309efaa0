/** IP addresses and CIDR ranges (RFC 4632 section 3.1, RFC 4291 section 2.3). */
import { BlockList, isIP, isIPv6 } from 'node:net'

/** True for an address, or a range such as `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const maxBits = { 0: -1, 4: 32, 6: 128 }[isIP(address)]!
  const isRange = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= maxBits)
  return maxBits > 0 && isRange && rest.length === 0
}

/** A list of networks, for `isWithin`.
 *  @param networks that `isNetwork` accepts */
export function networkList(networks: Iterable<string>): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    if (bits === undefined) list.addAddress(address, familyOf(address))
    else list.addSubnet(address, Number(bits), familyOf(address))
  }
  return list
}

/** True if the address is in the list; false for text that is no address. */
export function isWithin(list: BlockList, address: string): boolean {
  return isIP(address) !== 0 && list.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}
