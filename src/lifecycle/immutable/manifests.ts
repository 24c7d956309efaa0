import type { Descriptor } from '../../core/descriptor.ts'
import { type Digest, digestOf } from '../../core/digest.ts'
import { ForwardingManifests } from '../../core/forwarding-registry.ts'
import type { Manifest } from '../../core/manifest/manifest.ts'
import type { Tag } from '../../core/reference.ts'
import type { DeleteManifestOptions, ManifestService, PutManifestOptions } from '../../core/registry.ts'
import { requireDeletable } from './refusal.ts'
import type { TagRules } from './rules.ts'
import type { ImmutableTags } from './tags.ts'

interface Parts {
  readonly tags: ImmutableTags
  readonly rules: TagRules
}

/** Manifests of a repository with immutable tags. A push is refused before its manifest is stored; a manifest that an
 *  immutable tag names is not deleted. */
export class ImmutableTagsManifests extends ForwardingManifests {
  readonly #parts: Parts

  constructor(manifests: ManifestService, parts: Parts) {
    super(manifests)
    this.#parts = parts
  }

  override async put(
    manifest: Manifest,
    digest?: Digest,
    options: PutManifestOptions = {},
  ): Promise<Descriptor> {
    const { tags, rules } = this.#parts
    const immutable = (options.tags ?? []).filter((tag) => rules.ofTag(tag) !== undefined)
    const canonical = immutable.length > 0 ? digestOf(manifest.payload) : undefined
    for (const tag of immutable) await tags.requireFree(tag, canonical as Digest)
    return super.put(manifest, digest, options)
  }

  override delete(digest: Digest, options: DeleteManifestOptions = {}): Promise<readonly Tag[]> {
    const checkTag = (tag: Tag) => {
      requireDeletable(this.#parts.rules, tag)
      options.checkTag?.(tag)
    }
    return super.delete(digest, { ...options, checkTag })
  }
}
