import { algorithmOf, CANONICAL, type Digest, digestOf } from '../../core/digest.ts'
import { ForwardingManifests } from '../../core/forwarding-registry.ts'
import type { Tag } from '../../core/reference.ts'
import type { DeleteManifestOptions, ManifestDeletion, Repository } from '../../core/registry.ts'
import type { Recorder } from './recorder.ts'
import type { DeletedManifest } from './records.ts'
import type { RecordedTags } from './tags.ts'
import type { OpenDeletion } from './trash.ts'

/** Manifests of a repository, whose deletions are recorded. */
export class RecordedManifests extends ForwardingManifests {
  readonly #repository: Repository
  readonly #tags: RecordedTags
  readonly #recorder: Recorder

  constructor(repository: Repository, { tags, recorder }: { tags: RecordedTags; recorder: Recorder }) {
    super(repository.manifests)
    this.#repository = repository
    this.#tags = tags
    this.#recorder = recorder
  }

  /** The record is written before the first of the tags goes, and grows with them. */
  override delete(digest: Digest, options: DeleteManifestOptions = {}): Promise<readonly Tag[]> {
    let deletion: OpenDeletion | undefined
    const announce = async (change: ManifestDeletion) => {
      await options.announce?.(change)
      if ('tags' in change) deletion = await this.#recordTags(digest, change.tags, deletion)
      else if (deletion === undefined && !this.#recorder.isRecorded) deletion = await this.#record(digest)
    }
    return super.delete(digest, { ...options, announce })
  }

  async #record(digest: Digest): Promise<OpenDeletion> {
    const { trash, author, windowMs } = this.#recorder
    const manifests = [await describeManifest(this.#repository, digest)]
    return trash.record(this.#repository.name, {
      ...{ ...this.#recorder.stamp(), kind: 'manifest', windowMs, tags: [], manifests, ...author },
    })
  }

  async #recordTags(
    digest: Digest,
    tags: readonly Tag[],
    deletion: OpenDeletion | undefined,
  ): Promise<OpenDeletion> {
    const { journal, author } = this.#recorder
    const { name } = this.#repository
    const named = await Promise.all(
      tags.map(async (tag) => ({ tag, digest: (await this.#tags.find(tag)) ?? digest })),
    )
    const open = deletion ?? (await this.#record(digest))
    const record = { ...open.record, tags: [...open.record.tags, ...named] }
    await open.replace(record)
    await Promise.all(
      named.map((one) =>
        journal.record(name, {
          ...{ ...this.#recorder.stamp(), tag: one.tag, action: 'removed', from: one.digest, ...author },
        }),
      ),
    )
    return { ...open, record }
  }
}

/** What it takes to put a manifest back: its bytes stay in the pool. */
async function describeManifest(
  { manifests, signatures }: Repository,
  digest: Digest,
): Promise<DeletedManifest> {
  const canonical =
    algorithmOf(digest) === CANONICAL ? digest : digestOf((await manifests.get(digest)).payload)
  const jws = await signatures.get(canonical)
  const aliases: Digest[] = []
  for await (const name of manifests.all({ after: 'sha512:' })) {
    if (name === digest || digestOf((await manifests.get(name)).payload) === canonical) aliases.push(name)
  }
  return {
    digest: canonical,
    ...(aliases.length > 0 && { aliases }),
    ...(jws.length > 0 && { signatures: jws.map((one) => Buffer.from(one).toString('base64')) }),
  }
}
