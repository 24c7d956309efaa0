import { ForwardingDriver } from '../../core/forwarding-driver.ts'
import type { RedirectedClient, StorageDriver } from '../../core/storage-driver.ts'

/** Returns the URL by which a client can fetch a file. */
export type RedirectUrl = StorageDriver['redirectUrl']

/** A storage middleware, which changes redirect URLs and nothing else.
 *  @param next the driver's function, or that of the previous middleware */
export type UrlMiddleware = (next: RedirectUrl) => RedirectUrl

/** A driver with a middleware for its redirect URLs. */
export class RedirectingDriver extends ForwardingDriver {
  readonly #redirectUrl: RedirectUrl
  readonly #onClose: () => void

  /** Wraps a driver.
   *  @param onClose stops the middleware's background work */
  constructor(driver: StorageDriver, middleware: UrlMiddleware, onClose: () => void = () => {}) {
    super(driver)
    this.#redirectUrl = middleware((path, client) => driver.redirectUrl(path, client))
    this.#onClose = onClose
  }

  override redirectUrl(path: string, client?: RedirectedClient): Promise<URL | undefined> {
    return this.#redirectUrl(path, client)
  }

  override close(): Promise<void> {
    this.#onClose()
    return super.close()
  }
}
