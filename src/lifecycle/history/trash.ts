import { isPathNotFound } from '../../core/errors.ts'
import type { Deletion, HistoryPage } from '../../core/lifecycle/history.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { ScannedFile, StorageDriver } from '../../core/storage-driver.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { TRASH, trashFolder } from '../paths.ts'
import { type DeletionRecord, encode, isRecordId, parseDeletion, type RecordIds } from './records.ts'

export type NewDeletion = Omit<DeletionRecord, 'at'>

/** A deletion as it is on storage. */
export interface StoredDeletion extends DeletionRecord {
  readonly id: string
  readonly repository: RepositoryName
  /** By the storage's clock. */
  readonly until: Date
}

/** A deletion that is recorded before it is done, and that may grow while it is. */
export interface OpenDeletion {
  readonly id: string
  readonly record: DeletionRecord
  readonly until: Date
  /** Replaces the record. */
  replace(record: DeletionRecord): Promise<void>
}

const READ_CONCURRENCY = 16
const PATH = new RegExp(`^${TRASH}/(.+)/_deletions/([^/]+)$`)

/** Deletions that can be undone, each a file of its own. It is durable before anything is removed, so a collector that looks at the
 *  repositories first and then here misses nothing. */
export class Trash {
  readonly #storage: StorageDriver
  readonly #ids: RecordIds

  constructor(storage: StorageDriver, ids: RecordIds) {
    this.#storage = storage
    this.#ids = ids
  }

  async record(repository: RepositoryName, deletion: NewDeletion): Promise<OpenDeletion> {
    const { id, at } = this.#ids.next()
    const path = `${trashFolder(repository)}/${id}`
    const record = { ...deletion, at }
    await this.#storage.put(path, encode(record))
    const until = new Date(Date.parse(at) + deletion.windowMs)
    return { id, record, until, replace: (next) => this.#storage.put(path, encode(next)) }
  }

  /** The newest first. */
  async list(repository: RepositoryName, { count, after }: HistoryPage): Promise<StoredDeletion[]> {
    const files: ScannedFile[] = []
    for await (const page of this.#storage.scan(trashFolder(repository))) files.push(...page)
    const asked = files
      .filter(({ path }) => after === undefined || idOf(path) < after)
      .sort((one, other) => (one.path < other.path ? 1 : -1))
      .slice(0, count)
    return this.#readAll(asked)
  }

  /** Undefined if there is none. */
  async find(repository: RepositoryName, id: string): Promise<StoredDeletion | undefined> {
    if (!isRecordId(id)) return undefined
    const path = `${trashFolder(repository)}/${id}`
    try {
      const info = await this.#storage.stat(path)
      return info.kind === 'file' ? this.#read({ path, ...info }) : undefined
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  remove(repository: RepositoryName, id: string): Promise<void> {
    return this.#storage.delete(`${trashFolder(repository)}/${id}`)
  }

  /** Every deletion below a folder of the trash, a page at a time. */
  async *all(folder = TRASH): AsyncIterable<readonly StoredDeletion[]> {
    for await (const files of this.#storage.scan(folder)) yield await this.#readAll(files)
  }

  async #readAll(files: readonly ScannedFile[]): Promise<StoredDeletion[]> {
    const deletions: StoredDeletion[] = []
    const work = (file: ScannedFile) => this.#read(file)
    for await (const deletion of mapInOrder(files, { concurrency: READ_CONCURRENCY, work }))
      if (deletion !== undefined) deletions.push(deletion)
    return deletions
  }

  async #read({
    path,
    modifiedAt,
  }: Pick<ScannedFile, 'path' | 'modifiedAt'>): Promise<StoredDeletion | undefined> {
    const [, repository = '', id = ''] = PATH.exec(path) ?? []
    if (!isRecordId(id)) return undefined
    try {
      const record = parseDeletion(await this.#storage.get(path))
      if (record === undefined) return undefined
      const until = new Date(modifiedAt.getTime() + record.windowMs)
      return { ...record, id, repository: repository as RepositoryName, until }
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }
}

function idOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Limit of tags and manifests that are shown of one deletion. */
const SHOWN = 100

/** A deletion, as the API shows it. */
export function described(
  deletion: DeletionRecord & { readonly id: string; readonly until: Date },
): Deletion {
  const { id, kind, at, until, actor, cause, tags, manifests } = deletion
  return {
    ...{ id, kind, at, until: until.toISOString(), actor, cause },
    tags: tags.slice(0, SHOWN),
    tagCount: tags.length,
    manifests: manifests.slice(0, SHOWN).map(({ digest }) => digest),
    manifestCount: manifests.length,
  }
}
