import type { RedirectedClient, StorageDriver } from '../../core/storage-driver.ts'
import { ForwardingDriver } from './forwarding-driver.ts'

/** What a URL gets in place of its own. Empty: its own stays. */
export interface RewriteOptions {
  readonly scheme: string
  /** With a port, where it is to have one. */
  readonly host: string
  /** What its path loses, where it begins so. */
  readonly trimPathPrefix: string
}

/** Sends clients to the driver's own URLs, through another host: that of a CDN in front of the storage. Their query, which
 *  may hold a signature, stays. */
export class RewriteDriver extends ForwardingDriver {
  readonly #options: RewriteOptions

  constructor(driver: StorageDriver, options: RewriteOptions) {
    super(driver)
    this.#options = { ...options, trimPathPrefix: encoded(options.trimPathPrefix) }
  }

  override async redirectUrl(path: string, client?: RedirectedClient): Promise<URL | undefined> {
    const url = await super.redirectUrl(path, client)
    if (url === undefined) return undefined
    const { scheme, host, trimPathPrefix } = this.#options
    const { protocol, host: ownHost, pathname, search } = url
    const rest = pathname.startsWith(trimPathPrefix) ? pathname.slice(trimPathPrefix.length) : pathname
    const rewritten = new URL(`${scheme ? `${scheme}:` : protocol}//${host || ownHost}`)
    rewritten.pathname = rest
    rewritten.search = search
    return rewritten
  }
}

/** As the path of a URL has it. */
function encoded(prefix: string): string {
  return prefix === '' ? '' : new URL(`http://host/${prefix.replace(/^\//, '')}`).pathname
}
