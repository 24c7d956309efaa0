import type { BlockList } from 'node:net'
import type { Log } from '../../core/log.ts'
import { isNetwork, isWithin, networkList } from '../../lib/networks.ts'

export interface AwsRangesOptions {
  /** The URL of a list in the form of https://docs.aws.amazon.com/vpc/latest/userguide/aws-ip-syntax.html. */
  readonly url: string
  /** The regions to use, in lower case; all if empty. */
  readonly regions: readonly string[]
  readonly updateMs: number
  readonly log: Log
}

/** The address ranges of AWS. The list is fetched periodically in the background. If that fails, the last one
 *  is used; before the first one, no address is in AWS.
 *
 *  It has some 8,000 prefixes. A look-up was measured at half a microsecond on Node 26, and 90 on Node 20. */
export class AwsRanges {
  readonly #options: AwsRangesOptions
  readonly #closing = new AbortController()
  #list: BlockList | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: AwsRangesOptions) {
    this.#options = options
  }

  /** Starts the periodic updates. */
  start(): void {
    void this.#keep()
  }

  includes(address: string): boolean {
    return this.#list !== undefined && isWithin(this.#list, address)
  }

  /** Fetches the list once.
   *  @returns false if that failed, which is logged */
  async update(): Promise<boolean> {
    const { log, url, regions } = this.#options
    try {
      const networks = networksOf(await this.#fetch(), regions)
      if (networks.size === 0) throw new Error(`it has no range of ${regions.join(', ') || 'any region'}`)
      this.#list = networkList(networks)
      log.info({ url, ranges: networks.size }, 'the list of AWS addresses was fetched')
      return true
    } catch (err) {
      if (this.#closing.signal.aborted) return false
      const until = this.#list === undefined ? 'all clients are sent to CloudFront' : 'the last one is used'
      log.warn({ url, err }, `the list of AWS addresses could not be fetched: ${until}`)
      return false
    }
  }

  close(): void {
    this.#closing.abort()
    clearTimeout(this.#timer)
  }

  async #keep(): Promise<void> {
    const isFetched = await this.update()
    if (this.#closing.signal.aborted) return
    const pauseMs = isFetched ? this.#options.updateMs : Math.min(this.#options.updateMs, RETRY_MS)
    this.#timer = setTimeout(() => void this.#keep(), Math.min(pauseMs, MAX_TIMER_MS)).unref()
  }

  async #fetch(): Promise<unknown> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIMEOUT_MS)])
    const answer = await fetch(this.#options.url, { signal })
    if (!answer.ok) throw new Error(`the answer was ${answer.status}`)
    return answer.json()
  }
}

const TIMEOUT_MS = 30_000

/** The machine's network may not be up yet. */
const RETRY_MS = 60_000

/** Limit of setTimeout. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** One prefix of the list, with one of the two fields. */
interface Prefix {
  readonly ip_prefix?: unknown
  readonly ipv6_prefix?: unknown
  readonly region?: unknown
}

/** The distinct ranges of a list, which repeats most of them for each service. Malformed ones are skipped.
 *  @throws Error if it is no such list */
function networksOf(list: unknown, regions: readonly string[]): Set<string> {
  const { prefixes, ipv6_prefixes } = Object(list) as { prefixes?: Prefix[]; ipv6_prefixes?: Prefix[] }
  if (!Array.isArray(prefixes) || !Array.isArray(ipv6_prefixes)) {
    throw new Error('the answer has no prefixes and ipv6_prefixes')
  }
  const wanted = [...prefixes, ...ipv6_prefixes].filter(
    (prefix) => regions.length === 0 || regions.includes(String(prefix?.region).toLowerCase()),
  )
  return new Set(wanted.map((prefix) => String(prefix?.ip_prefix ?? prefix?.ipv6_prefix)).filter(isNetwork))
}
