import { lookup as resolve } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { isWithin, networkList } from '../../lib/networks.ts'

/** Addresses that no name of the public internet should stand for: RFC 6890, RFC 4193, RFC 4291, RFC 6598. */
const PRIVATE_V4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.168.0.0/16', '198.18.0.0/15', '224.0.0.0/4', '240.0.0.0/4'],
]
const PRIVATE_V6 = ['::/128', '::1/128', '64:ff9b:1::/48', 'fc00::/7', 'fe80::/10', 'ff00::/8']

/** Prefixes of 96 bits before an address of IPv4: mapped, as RFC 4291 has it, and behind NAT64, RFC 6052. */
const EMBEDDING = ['::ffff:', '64:ff9b::']

const PRIVATE = networkList([
  ...PRIVATE_V4,
  ...PRIVATE_V6,
  ...EMBEDDING.flatMap((prefix) => PRIVATE_V4.map((network) => embedded(prefix, network))),
])

function embedded(prefix: string, network: string): string {
  const [address, bits] = network.split('/')
  return `${prefix}${address}/${96 + Number(bits)}`
}

export function isPrivate(address: string): boolean {
  return isWithin(PRIVATE, address)
}

/** Names that only a private network has: RFC 6761, RFC 6762, RFC 8375, and what container networks use. */
const PRIVATE_SUFFIXES = ['.localhost', '.local', '.internal', '.lan', '.home.arpa', '.svc', '.test']

/** True for an address, and for a name that says by itself that it is none of the public internet. */
export function isLiteral(host: string): boolean {
  const name = host
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
  return isIP(name) !== 0 || !name.includes('.') || PRIVATE_SUFFIXES.some((suffix) => name.endsWith(suffix))
}

/** Resolves names, and refuses those that lead to a private address unless it lies in one of these networks.
 *  @param networks that `isNetwork` is true for */
export function publicLookup(networks: readonly string[]): LookupFunction {
  const allowed = networkList(networks)
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '')
      const reachable = addresses.filter(({ address }) => !isPrivate(address) || isWithin(allowed, address))
      const [first] = reachable
      if (first === undefined) return callback(new PrivateAddress(hostname), '')
      if (options.all) callback(null, reachable)
      else callback(null, first.address, first.family)
    })
  }
}

/** A public name stands for a private address: somebody may want the registry to reach where they can't. */
export class PrivateAddress extends Error {
  override readonly name = 'PrivateAddress'
  readonly code = 'PRIVATE_ADDRESS'

  constructor(host: string) {
    super(`${host} stands for a private address, which is not among the endpoint's privatenetworks`)
  }
}
