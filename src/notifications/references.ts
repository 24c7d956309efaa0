import type { Manifest } from '../core/manifest/manifest.ts'
import type { ReferencedContent } from './event.ts'

/** What a manifest refers to, as events list it. */
export function referencesOf(manifest: Manifest): ReferencedContent[] {
  return manifest.references().map(({ descriptor, platform, urls }) => ({
    ...descriptor,
    ...(urls.length > 0 && { urls }),
    ...(platform && { platform }),
  }))
}
