/** The section `redis`, with the keys of both generations. Durations are milliseconds; a negative one
 *  disables the limit. */

import { duration, flag, integer, list, optionalSection, scalar, section, text } from './key.ts'

const timeout = () => duration({ signed: true }).optional()
const count = () => integer().optional()

const address = () =>
  scalar('an address such as redis.example.com:6379', (found) =>
    /^(?:\[[0-9A-Fa-f:.]+\]|[^:\s/@]+)?(?::\d{1,5})?$/.test(String(found)) ? String(found) : undefined,
  )

export const redis = optionalSection({
  /** The single server of generation 2. */
  addr: address().or(''),
  pool: section({ maxidle: count(), maxactive: count(), idletimeout: timeout() }),
  /** The servers of generation 3: several are a cluster, or sentinels if `mastername` is given. */
  addrs: list(address().required()),
  mastername: text().or(''),
  clientname: text().or(''),
  username: text().or(''),
  password: text().or(''),
  sentinelusername: text().or(''),
  sentinelpassword: text().or(''),
  db: integer({ min: 0 }).or(0),
  protocol: count(),
  maxretries: count(),
  minretrybackoff: timeout(),
  maxretrybackoff: timeout(),
  dialtimeout: timeout(),
  readtimeout: timeout(),
  writetimeout: timeout(),
  contexttimeoutenabled: flag().or(false),
  poolfifo: flag().or(false),
  poolsize: count(),
  pooltimeout: timeout(),
  minidleconns: count(),
  maxidleconns: count(),
  maxactiveconns: count(),
  connmaxidletime: timeout(),
  connmaxlifetime: timeout(),
  maxredirects: count(),
  readonly: flag().or(false),
  routebylatency: flag().or(false),
  routerandomly: flag().or(false),
  disableidentity: flag().or(false),
  /** The spelling of generation 3's first releases. */
  disableindentity: flag().or(false),
  identitysuffix: text().or(''),
  unstableresp3: flag().or(false),
  tls: section({
    /** The switch of generation 2. */
    enabled: flag().or(false),
    certificate: text().or(''),
    key: text().or(''),
    rootcas: list(text().required()),
  }),
})
