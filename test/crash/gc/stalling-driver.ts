import type { StorageDriver } from '../../../src/core/storage-driver.ts'

/** What a call waits for before it is made. */
export type BeforeCall = (method: string, path: unknown) => Promise<void>

const ITERATED = new Set<PropertyKey>(['scan', 'list', 'read', 'incompleteUploads'])

/** A driver of a process that may stand still before any call, as when it is stopped by a signal, and go on later. */
export function stallingDriver(driver: StorageDriver, before: BeforeCall): StorageDriver {
  return new Proxy(driver, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target)
      if (typeof found !== 'function') return found
      if (ITERATED.has(name)) {
        return async function* (...parameters: unknown[]) {
          await before(String(name), parameters[0])
          for await (const item of found.apply(target, parameters)) {
            yield item
            await before(String(name), parameters[0])
          }
        }
      }
      return async (...parameters: unknown[]) => {
        await before(String(name), parameters[0])
        return found.apply(target, parameters)
      }
    },
  })
}
