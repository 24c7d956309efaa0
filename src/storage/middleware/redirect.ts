import type { StorageDriver } from '../../core/storage-driver.ts'
import { requirePath } from '../path.ts'
import { ForwardingDriver } from './forwarding-driver.ts'

export interface RedirectOptions {
  /** Where the storage's root is served. Of it, only scheme, host and path count, as in Distribution. */
  readonly baseUrl: string
}

/** Sends clients to another server that has the same files, whatever the driver has to say of it. */
export class RedirectDriver extends ForwardingDriver {
  /** Without a slash at its end. */
  readonly #base: string

  constructor(driver: StorageDriver, { baseUrl }: RedirectOptions) {
    super(driver)
    const { origin, pathname } = new URL(baseUrl)
    this.#base = `${origin}${pathname.replace(/\/+$/, '')}`
  }

  override async redirectUrl(path: string): Promise<URL> {
    return new URL(`${this.#base}${requirePath(path)}`)
  }
}
