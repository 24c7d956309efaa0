import { RegistryError } from '../../core/errors.ts'
import type { Registry } from '../../core/registry.ts'
import type { RegistryEvent } from '../event.ts'

/** Whether storage shows that a change has happened of which nobody has noted what came of it: its process has ended, or an error
 *  left it open.
 *  @param registry reads past all caches
 *  @param later changes of the same repository that came after it; one of the same name may have undone it */
export async function hasHappened(
  event: RegistryEvent,
  { registry, later }: { registry: Registry; later: readonly RegistryEvent[] },
): Promise<boolean> {
  if (await isVisible(event, registry)) return true
  return later.some((other) => isSameName(event, other) && !isSameChange(event, other))
}

async function isVisible({ action, target }: RegistryEvent, registry: Registry): Promise<boolean> {
  const { blobs, manifests, tags } = registry.repository(target.repository)
  const { kind, digest, tag } = target
  const named = () => tags.get(tag!).catch(undefinedIfUnknown)
  if (action === 'delete') {
    if (kind === 'tag') return (await named()) === undefined
    return !(await (kind === 'blob' ? blobs.has(digest!) : manifests.exists(digest!)))
  }
  if (kind === 'blob') return blobs.has(digest!)
  if (tag === undefined) return manifests.exists(digest!)
  if ((await named()) === digest) return true
  // Another push has overwritten it since; the tag's history has every digest that it was given.
  for await (const given of tags.history(tag)) if (given === digest) return true
  return false
}

function undefinedIfUnknown(error: unknown): undefined {
  if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return undefined
  throw error
}

function isSameName({ target: one }: RegistryEvent, { target: other }: RegistryEvent): boolean {
  return one.tag !== undefined ? one.tag === other.tag : one.digest === other.digest
}

function isSameChange({ action: one }: RegistryEvent, { action: other }: RegistryEvent): boolean {
  return (one === 'delete') === (other === 'delete')
}
