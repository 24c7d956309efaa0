import type { StorageDriver } from '../../src/core/storage-driver.ts'

export interface InterruptedDriver {
  readonly driver: StorageDriver
  readonly isDead: () => boolean
  /** Resolves when it dies. */
  readonly death: Promise<void>
}

const ITERATED = new Set<PropertyKey>(['scan', 'list', 'read', 'incompleteUploads'])

/** The driver of a process that dies at one of its calls: from then on none of them comes back. Calls of a file that grows count as well.
 *  @param options.call from 1
 *  @param options.when whether that call is still made */
export function interruptedDriver(
  driver: StorageDriver,
  { call, when }: { call: number; when: 'before' | 'after' },
): InterruptedDriver {
  const death = Promise.withResolvers<void>()
  let calls = 0
  let isDead = false
  const never = () => new Promise<never>(() => {})
  const die = () => {
    isDead = true
    death.resolve()
    return never()
  }
  const interrupted = <Target extends object>(whole: Target) => new Proxy<object>(whole, handler) as Target
  const handler: ProxyHandler<object> = {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target)
      if (typeof found !== 'function') return found
      // It answers at once, or is not there.
      if (name === 'peekList') return undefined
      if (ITERATED.has(name)) {
        return async function* (...parameters: unknown[]) {
          if (isDead) await never()
          if (++calls === call) await die()
          yield* found.apply(target, parameters)
        }
      }
      return async (...parameters: unknown[]) => {
        if (isDead) await never()
        const isLast = ++calls === call
        if (isLast && when === 'before') await die()
        const result = await found.apply(target, parameters)
        if (isLast) await die()
        return name === 'createGrowing' ? interrupted(result) : result
      }
    },
  }
  return { driver: interrupted(driver), isDead: () => isDead, death: death.promise }
}
