import type { Collectable } from '../../core/collection/collectable.ts'
import { isPathNotFound, RegistryError } from '../../core/errors.ts'
import type {
  Deletion,
  HistoryPage,
  RepositoryHistory,
  Restoration,
  RestoreOptions,
  TagChange,
} from '../../core/lifecycle/history.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import type { Registry } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { requireDeletable } from '../immutable/refusal.ts'
import { type ImmutableRule, ImmutableRules } from '../immutable/rules.ts'
import { HISTORY_SINCE } from '../paths.ts'
import type { EmptiedRepositories } from './emptied.ts'
import type { Recorder } from './recorder.ts'
import type { DeletedLink, DeletedManifest } from './records.ts'
import { type RepositoryInventory, removeContent, taggedDigests } from './repository-removal.ts'
import { type PooledContent, Restorer } from './restore.ts'
import { described } from './trash.ts'

export interface StoredHistoryParts {
  /** What is deleted and put back goes through it: a `HistoryRegistry` with the same recorder, and what is around it. */
  readonly registry: Registry
  readonly storage: StorageDriver
  readonly recorder: Recorder
  readonly emptied: EmptiedRepositories
  readonly immutable: readonly ImmutableRule[]
  readonly content: PooledContent
  readonly collectable: Pick<Collectable, 'contentOf'>
  readonly blobLinks: (
    repository: RepositoryName,
  ) => AsyncIterable<{ name: DeletedLink[0]; target: DeletedLink[1] }>
}

const READ_CONCURRENCY = 16

/** The history of repositories, over storage. */
export class StoredHistory implements RepositoryHistory {
  readonly #parts: StoredHistoryParts
  readonly #immutable: ImmutableRules

  constructor(parts: StoredHistoryParts) {
    this.#parts = parts
    this.#immutable = new ImmutableRules(parts.immutable)
  }

  /** Notes once since when changes are recorded. */
  async begin(): Promise<void> {
    if ((await this.recordedSince()) === undefined)
      await this.#parts.storage.put(
        HISTORY_SINCE,
        Buffer.from('its time says since when changes are recorded\n'),
      )
  }

  async recordedSince(): Promise<Date | undefined> {
    try {
      const info = await this.#parts.storage.stat(HISTORY_SINCE)
      return info.kind === 'file' ? info.modifiedAt : undefined
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  async changes(
    repository: RepositoryName,
    page: HistoryPage & { tag?: Tag | undefined },
  ): Promise<TagChange[]> {
    const { journal, trash } = this.#parts.recorder
    const found = await journal.changes(repository, page)
    const work = async (change: TagChange): Promise<TagChange> => {
      if (change.action !== 'moved') return change
      const kept = await trash.find(repository, change.id)
      return kept === undefined ? change : { ...change, until: kept.until.toISOString() }
    }
    const changes: TagChange[] = []
    for await (const change of mapInOrder(found, { concurrency: READ_CONCURRENCY, work }))
      changes.push(change)
    return changes
  }

  async deletions(repository: RepositoryName, page: HistoryPage): Promise<Deletion[]> {
    return (await this.#parts.recorder.trash.list(repository, page)).map(described)
  }

  /** The deletion stays on record as long as something of it is not back. */
  async restore(name: RepositoryName, id: string, options: RestoreOptions): Promise<Restoration> {
    const { recorder, registry, content } = this.#parts
    const deletion = await recorder.trash.find(name, id)
    if (deletion === undefined)
      throw new RegistryError('DELETION_UNKNOWN', { detail: { id: id.slice(0, 64) } })
    const restorer = new Restorer(registry.repository(name), content)
    const restored = await recorder.during({ cause: 'restore', isRecorded: false }, () =>
      restorer.restore(deletion, options),
    )
    if (restored.lost.length > 0 && restored.lost.length === deletion.manifests.length) {
      const message = 'the content of this deletion is gone, or needs what was deleted by another one'
      throw new RegistryError('DELETION_UNKNOWN', {
        message,
        detail: { id, lost: restored.lost.slice(0, 100) },
      })
    }
    if (restored.conflicts.length === 0 && restored.lost.length === 0) await recorder.trash.remove(deletion)
    return restored
  }

  /** All of it is recorded before any of it goes. */
  async deleteRepository(name: RepositoryName): Promise<Deletion> {
    const { recorder, registry, emptied, content } = this.#parts
    const repository = registry.repository(name)
    if (!(await repository.exists())) throw new RegistryError('NAME_UNKNOWN', { detail: { name } })
    const inventory = await this.#takeInventory(name)
    const rules = this.#immutable.of(name)
    if (rules !== undefined) for (const { tag } of inventory.tags) requireDeletable(rules, tag)
    const { windowMs, author } = recorder
    const deletion = await recorder.trash.record(name, {
      ...{ ...recorder.stamp(), kind: 'repository', windowMs, ...author },
      ...{ tags: taggedDigests(inventory), manifests: inventory.manifests, links: inventory.links },
    })
    const relink = ([linked, target]: DeletedLink) => content.relink(name, { name: linked, target })
    await recorder.during({ cause: 'repository', isRecorded: true }, () =>
      removeContent(repository, inventory, relink),
    )
    await emptied.add(name)
    return described({ ...deletion.record, id: deletion.id, until: deletion.until })
  }

  async #takeInventory(name: RepositoryName): Promise<RepositoryInventory> {
    const { registry, collectable, blobLinks } = this.#parts
    const repository = registry.repository(name)
    const tags = []
    for await (const entry of repository.tags.entries()) tags.push(entry)
    const manifests: DeletedManifest[] = []
    for (const { digest, aliases } of (await collectable.contentOf(name)).manifests) {
      const signatures = (await repository.signatures.get(digest)).map((one) =>
        Buffer.from(one).toString('base64'),
      )
      manifests.push({
        digest,
        ...(aliases.length > 0 && { aliases }),
        ...(signatures.length > 0 && { signatures }),
      })
    }
    const links: DeletedLink[] = []
    for await (const { name: linked, target } of blobLinks(name)) links.push([linked, target])
    return { tags, manifests, links }
  }
}
