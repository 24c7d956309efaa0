import { isPathNotFound } from '../../core/errors.ts'
import type { Deletion, HistoryPage } from '../../core/lifecycle/history.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { ScannedFile, StorageDriver } from '../../core/storage-driver.ts'
import { firstOf } from '../../lib/iterables/first-of.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { deletionsFolder, movesFolder, TRASH } from '../paths.ts'
import { type DeletionRecord, encode, isRecordId, parseDeletion, type RecordStamp } from './records.ts'

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
const PATH = new RegExp(`^${TRASH}/(.+)/_(?:deletions|moves)/([^/]+)$`)

/** Deletions that can be undone, each a file of its own. It is durable before anything is removed, so a collector that looks at the
 *  repositories first and then here misses nothing. */
export class Trash {
  readonly #storage: StorageDriver

  constructor(storage: StorageDriver) {
    this.#storage = storage
  }

  async record(
    repository: RepositoryName,
    { id, ...record }: DeletionRecord & RecordStamp,
  ): Promise<OpenDeletion> {
    const path = pathOf({ repository, id, kind: record.kind })
    await this.#storage.put(path, encode(record))
    const until = new Date(Date.parse(record.at) + record.windowMs)
    return { id, record, until, replace: (next) => this.#storage.put(path, encode(next)) }
  }

  /** The newest first, without moves. */
  async list(repository: RepositoryName, { count, after }: HistoryPage): Promise<StoredDeletion[]> {
    const files: ScannedFile[] = []
    for await (const page of this.#storage.scan(deletionsFolder(repository))) files.push(...page)
    const asked = files
      .filter(({ path }) => after === undefined || idOf(path) < after)
      .sort((one, other) => (one.path < other.path ? 1 : -1))
    return firstOf(this.#readEach(asked, Math.min(count, READ_CONCURRENCY)), count)
  }

  /** Undefined if there is none. */
  async find(repository: RepositoryName, id: string): Promise<StoredDeletion | undefined> {
    if (!isRecordId(id)) return undefined
    return (
      (await this.#find(`${movesFolder(repository)}/${id}`)) ??
      this.#find(`${deletionsFolder(repository)}/${id}`)
    )
  }

  async #find(path: string): Promise<StoredDeletion | undefined> {
    try {
      const info = await this.#storage.stat(path)
      return info.kind === 'file' ? this.#read({ path, ...info }) : undefined
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  remove(deletion: DeletionPlace): Promise<void> {
    return this.#storage.delete(pathOf(deletion))
  }

  /** Every deletion of a repository, or of all, with moves, a page at a time. */
  async *all(repository?: RepositoryName): AsyncIterable<readonly StoredDeletion[]> {
    const folders =
      repository === undefined ? [TRASH] : [deletionsFolder(repository), movesFolder(repository)]
    for (const folder of folders)
      for await (const files of this.#storage.scan(folder)) yield await this.#readAll(files)
  }

  async #readAll(files: readonly ScannedFile[]): Promise<StoredDeletion[]> {
    return firstOf(this.#readEach(files, READ_CONCURRENCY), files.length)
  }

  #readEach(files: readonly ScannedFile[], concurrency: number): AsyncIterable<StoredDeletion | undefined> {
    return mapInOrder(files, { concurrency, work: (file) => this.#read(file) })
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

type DeletionPlace = Pick<StoredDeletion, 'repository' | 'id' | 'kind'>

function pathOf({ repository, id, kind }: DeletionPlace): string {
  return `${kind === 'move' ? movesFolder(repository) : deletionsFolder(repository)}/${id}`
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
