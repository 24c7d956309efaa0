import { isPathNotFound } from '../../core/errors.ts'
import type { HistoryPage, TagChange } from '../../core/lifecycle/history.ts'
import { isTag, type RepositoryName, type Tag } from '../../core/reference.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { firstOf } from '../../lib/iterables/first-of.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { historyFolder } from '../paths.ts'
import { encode, isRecordId, parseChange, type RecordStamp } from './records.ts'

export type NewTagChange = Omit<TagChange, 'id' | 'at' | 'until'>

interface Place {
  readonly tag: Tag
  readonly id: string
}

const READ_CONCURRENCY = 16

/** The changes of tags, each a file of its own: no process waits for another one, and nothing is ever written over. */
export class TagJournal {
  readonly #storage: StorageDriver

  constructor(storage: StorageDriver) {
    this.#storage = storage
  }

  /** A power cut may lose the last of them: who deletes relies on the trash, not on the journal. */
  async record(
    repository: RepositoryName,
    { tag, id, at, ...change }: NewTagChange & RecordStamp,
  ): Promise<() => Promise<void>> {
    const path = `${historyFolder(repository)}/${tag}/${id}`
    await this.#storage.put(path, encode({ at, ...change }), { durable: false })
    return () => this.#storage.delete(path, { durable: false })
  }

  /** The newest first. One that a power cut has damaged is left out. */
  async changes(
    repository: RepositoryName,
    { tag, count, after }: HistoryPage & { tag?: Tag | undefined },
  ): Promise<TagChange[]> {
    const places = tag === undefined ? await this.#all(repository) : await this.#ofTag(repository, tag)
    const found = places
      .filter(({ id }) => after === undefined || id < after)
      .sort((one, other) => (one.id < other.id ? 1 : -1))
    const work = (place: Place) => this.#read(repository, place)
    return firstOf(mapInOrder(found, { concurrency: Math.min(count, READ_CONCURRENCY), work }), count)
  }

  async #ofTag(repository: RepositoryName, tag: Tag): Promise<Place[]> {
    const places: Place[] = []
    for await (const { name: id } of this.#storage.list(`${historyFolder(repository)}/${tag}`))
      if (isRecordId(id)) places.push({ tag, id })
    return places
  }

  async #all(repository: RepositoryName): Promise<Place[]> {
    const folder = historyFolder(repository)
    const places: Place[] = []
    for await (const files of this.#storage.scan(folder)) {
      for (const { path } of files) {
        const [tag = '', id = ''] = path.slice(folder.length + 1).split('/')
        if (isTag(tag) && isRecordId(id)) places.push({ tag, id })
      }
    }
    return places
  }

  /** Undefined if it was removed meanwhile. */
  async #read(repository: RepositoryName, { tag, id }: Place): Promise<TagChange | undefined> {
    try {
      const change = parseChange(await this.#storage.get(`${historyFolder(repository)}/${tag}/${id}`))
      return change && { ...change, id, tag }
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }
}
