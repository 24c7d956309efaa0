import type { Collectable } from '../../core/collection/collectable.ts'
import { RestorableContent } from '../../lifecycle/history/restorable-content.ts'
import type { StoredRegistry } from '../../registry/registry.ts'

/** What a collector sees of a registry: with what can be restored, also if this configuration keeps no history.
 *  @param options.isReadOnly true if nothing may be written: then the storage's clock is taken to be that of this machine */
export function restorableContent(
  registry: StoredRegistry,
  { isReadOnly }: { isReadOnly: boolean },
): Collectable {
  let aheadMs: Promise<number> | undefined
  const measure = async () => (isReadOnly ? 0 : (await registry.storageTime()).getTime() - Date.now())
  const now = async () => {
    aheadMs ??= measure()
    return new Date(Date.now() + (await aheadMs))
  }
  return new RestorableContent(registry.collectable, { now })
}
