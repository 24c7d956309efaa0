import { ForwardingDriver } from '../../core/forwarding-driver.ts'
import type { RedirectedClient, StorageDriver } from '../../core/storage-driver.ts'

/** Answers where a client can fetch a file by itself. */
export type RedirectUrl = StorageDriver['redirectUrl']

/** A storage middleware that changes where clients are sent, and nothing else.
 *  @param next asks the driver, or the middleware before this one */
export type UrlMiddleware = (next: RedirectUrl) => RedirectUrl

/** A driver with a middleware in front of its URLs. */
export class RedirectingDriver extends ForwardingDriver {
  readonly #redirectUrl: RedirectUrl
  readonly #onClose: () => void

  /** @param onClose ends what the middleware has running */
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
