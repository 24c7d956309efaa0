import { lookup as resolve } from 'node:dns'
import { type BlockList, isIP, type LookupFunction } from 'node:net'
import { isWithin, networkList } from '../lib/networks.ts'

/** Addresses that no stranger may send us to: this machine's, its networks', and what has no place on the
 *  internet. The special-purpose registries of IANA, RFC 6890. */
const PRIVATE = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15'],
  ...['198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/96', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001::/23', '2001:db8::/32', '2002::/16'],
  ...['fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
]

export class RefusedAddress extends Error {
  override readonly name = 'RefusedAddress'
}

/** Decides which addresses redirects may lead to. */
export class AddressPolicy {
  readonly #networks: Iterable<string>
  /** Made at the first question: most programs ask none. */
  #lists: { readonly allowed: BlockList; readonly refused: BlockList } | undefined

  /** @param networks private ones that may be gone to */
  constructor(networks: Iterable<string> = []) {
    this.#networks = networks
  }

  allows(address: string): boolean {
    this.#lists ??= { allowed: networkList(this.#networks), refused: networkList(PRIVATE) }
    const { allowed, refused } = this.#lists
    const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
    return isIP(plain) !== 0 && (isWithin(allowed, plain) || !(isWithin(refused, plain) || isMapped(plain)))
  }

  /** Resolves names for a connection: it goes to an address that was looked at, or nowhere. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [])
      const allowed = addresses.filter(({ address }) => this.allows(address))
      const [first] = allowed
      if (first === undefined) return callback(new RefusedAddress(`${hostname} has a private address`), [])
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}

/** An IPv4 address within IPv6 that is not written with dots. */
function isMapped(address: string): boolean {
  return /^::ffff:/i.test(address)
}
