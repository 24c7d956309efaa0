import { ForwardingDriver } from '../../src/core/forwarding-driver.ts'
import type { RedirectedClient, StorageDriver } from '../../src/core/storage-driver.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { requirePath } from '../../src/storage/path.ts'

/** Where its files are said to be. */
export const BUCKET = 'https://bucket.example:9000/images'

/** Another driver, in memory unless a test brings one, that has URLs as a bucket has them, and remembers whom it gave
 *  them to. */
export class SigningDriver extends ForwardingDriver {
  /** The addresses, in the order they came. */
  readonly addresses: (string | undefined)[] = []

  constructor(driver: StorageDriver = new MemoryDriver()) {
    super(driver)
  }

  override async redirectUrl(path: string, client?: RedirectedClient): Promise<URL> {
    this.addresses.push(client?.address)
    return new URL(`${BUCKET}${requirePath(path)}?signature=a%2Fb`)
  }
}
