import type { Descriptor } from '../../core/descriptor.ts'
import { ForwardingTags } from '../../core/forwarding-registry.ts'
import type { Tag } from '../../core/reference.ts'
import type { TagOptions, TagService, UntagOptions } from '../../core/registry.ts'
import type { Account } from './account.ts'

/** Tags of a repository, which are counted. */
export class CountedTags extends ForwardingTags {
  readonly #account: Account

  constructor(tags: TagService, account: Account) {
    super(tags)
    this.#account = account
  }

  override tag(tag: Tag, descriptor: Descriptor, options: TagOptions = {}): Promise<void> {
    return this.#account.inTurn(tag, async () => {
      await this.#account.refresh() // before the tag is looked at, so that nothing is waited for in between
      const before = options.before ?? { digest: await this.find(tag) }
      const work = () => super.tag(tag, descriptor, { before })
      return before.digest === undefined ? this.#account.add({ bytes: 0, tags: 1 }, work) : work()
    })
  }

  override async untag(tag: Tag, options?: UntagOptions): Promise<void> {
    await super.untag(tag, options)
    this.#account.remove({ bytes: 0, tags: 1 })
  }
}
