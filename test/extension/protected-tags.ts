import type { Descriptor } from '../../src/core/descriptor.ts'
import type { Digest } from '../../src/core/digest.ts'
import { RegistryError } from '../../src/core/errors.ts'
import {
  ForwardingManifests,
  ForwardingRegistry,
  ForwardingRepository,
  ForwardingTags,
} from '../../src/core/forwarding-registry.ts'
import type { RepositoryName, Tag } from '../../src/core/reference.ts'
import type {
  ChangeOptions,
  ManifestDeletion,
  ManifestService,
  Registry,
  Repository,
  TagOptions,
  TagService,
} from '../../src/core/registry.ts'

/** A registry in which a tag that matches the pattern keeps naming the manifest that it named first. */
export class ProtectedTagsRegistry extends ForwardingRegistry {
  readonly #pattern: RegExp

  constructor(registry: Registry, pattern: RegExp) {
    super(registry)
    this.#pattern = pattern
  }

  override repository(name: RepositoryName): Repository {
    return new ProtectedRepository(super.repository(name), this.#pattern)
  }
}

class ProtectedRepository extends ForwardingRepository {
  readonly #pattern: RegExp

  constructor(inner: Repository, pattern: RegExp) {
    super(inner)
    this.#pattern = pattern
  }

  override get tags(): TagService {
    return new ProtectedTags(this.inner.tags, this.#pattern)
  }

  override get manifests(): ManifestService {
    return new ProtectedManifests(this.inner, this.#pattern)
  }
}

class ProtectedTags extends ForwardingTags {
  readonly #pattern: RegExp

  constructor(tags: TagService, pattern: RegExp) {
    super(tags)
    this.#pattern = pattern
  }

  override async tag(tag: Tag, descriptor: Descriptor, options?: TagOptions): Promise<void> {
    if (this.#pattern.test(tag)) {
      const current = await this.find(tag)
      if (current !== undefined && current !== descriptor.digest) throw protectedTag(tag)
    }
    await super.tag(tag, descriptor, options)
  }

  override async untag(tag: Tag, options?: ChangeOptions<Tag>): Promise<void> {
    if (this.#pattern.test(tag)) throw protectedTag(tag)
    await super.untag(tag, options)
  }
}

/** Deleting a manifest removes its tags inside the registry, where no decorator sees it. */
class ProtectedManifests extends ForwardingManifests {
  readonly #tags: TagService
  readonly #pattern: RegExp

  constructor({ manifests, tags }: Repository, pattern: RegExp) {
    super(manifests)
    this.#tags = tags
    this.#pattern = pattern
  }

  override async delete(digest: Digest, options?: ChangeOptions<ManifestDeletion>): Promise<readonly Tag[]> {
    for await (const tag of this.#tags.lookup(digest)) if (this.#pattern.test(tag)) throw protectedTag(tag)
    return super.delete(digest, options)
  }
}

function protectedTag(tag: Tag): RegistryError {
  return new RegistryError('DENIED', { message: `the tag ${tag} is protected`, detail: { tag } })
}
