import type { Registry } from '../../core/registry.ts'
import type { RegistryEvent } from '../event.ts'

/** Whether storage shows that a change has happened whose outcome was not noted: its process has ended, or an error left it open.
 *  @param registry reads past all caches
 *  @param later changes of the same repository that came after it; one of the same name may have undone it */
export async function hasHappened(
  event: RegistryEvent,
  { registry, later }: { registry: Registry; later: readonly RegistryEvent[] },
): Promise<boolean> {
  if (await isVisible(event, registry)) return true
  const following = later.filter((other) => isSameName(event, other))
  if (following.some((other) => isDeletion(other) !== isDeletion(event))) return true
  // Another push may have overwritten the tag since; its history has every digest that it was given.
  return following.length > 0 && (await isInHistory(event, registry))
}

async function isVisible({ action, target }: RegistryEvent, registry: Registry): Promise<boolean> {
  const { blobs, manifests, tags } = registry.repository(target.repository)
  const { kind, digest, tag } = target
  const named = () => tags.find(tag!)
  if (action === 'delete') {
    if (kind === 'tag') return (await named()) === undefined
    return !(await (kind === 'blob' ? blobs.has(digest!) : manifests.exists(digest!)))
  }
  if (kind === 'blob') return blobs.has(digest!)
  return tag === undefined ? manifests.exists(digest!) : (await named()) === digest
}

async function isInHistory({ action, target }: RegistryEvent, registry: Registry): Promise<boolean> {
  const { repository, digest, tag } = target
  if (action === 'delete' || tag === undefined) return false
  for await (const given of registry.repository(repository).tags.history(tag))
    if (given === digest) return true
  return false
}

/** True if two changes have the same result. */
export function isSameChange(one: RegistryEvent, other: RegistryEvent): boolean {
  return (
    one.target.repository === other.target.repository &&
    one.target.kind === other.target.kind &&
    isSameName(one, other) &&
    one.target.digest === other.target.digest &&
    isDeletion(one) === isDeletion(other)
  )
}

function isSameName({ target: one }: RegistryEvent, { target: other }: RegistryEvent): boolean {
  return one.tag !== undefined ? one.tag === other.tag : one.digest === other.digest
}

function isDeletion({ action }: RegistryEvent): boolean {
  return action === 'delete'
}
