import type { Descriptor } from '../../core/descriptor.ts'
import { RegistryError } from '../../core/errors.ts'
import { ForwardingTags } from '../../core/forwarding-registry.ts'
import type { Tag } from '../../core/reference.ts'
import type { TagService, UntagOptions } from '../../core/registry.ts'
import type { Account } from './account.ts'

/** Tags of a repository, which are counted. */
export class CountedTags extends ForwardingTags {
  readonly #account: Account

  constructor(tags: TagService, account: Account) {
    super(tags)
    this.#account = account
  }

  override tag(tag: Tag, descriptor: Descriptor): Promise<void> {
    return this.#account.inTurn(tag, async () => {
      if (await isTagged(this.tags, tag)) return super.tag(tag, descriptor)
      return this.#account.add({ bytes: 0, tags: 1 }, () => super.tag(tag, descriptor))
    })
  }

  override async untag(tag: Tag, options?: UntagOptions): Promise<void> {
    await super.untag(tag, options)
    this.#account.remove({ bytes: 0, tags: 1 })
  }
}

export async function isTagged(tags: TagService, tag: Tag): Promise<boolean> {
  try {
    await tags.get(tag)
    return true
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return false
    throw error
  }
}
