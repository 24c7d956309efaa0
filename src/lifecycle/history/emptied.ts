import { isPathNotFound } from '../../core/errors.ts'
import { isRepositoryName, type RepositoryName } from '../../core/reference.ts'
import type { Repository } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { EMPTIED, emptiedMark } from '../paths.ts'

const MARK = new RegExp(`^${EMPTIED}/(.+)/_emptied$`)

/** Repositories that were deleted as a whole. Some folders and the state of their deletions stay on storage, because pushes rely on
 *  it; a mark says that such a repository counts as absent as long as it is empty. */
export class EmptiedRepositories {
  readonly #storage: StorageDriver

  constructor(storage: StorageDriver) {
    this.#storage = storage
  }

  async add(name: RepositoryName): Promise<void> {
    await this.#storage.put(emptiedMark(name), Buffer.from('deleted as a whole\n'))
  }

  /** True if the repository was deleted as a whole, and nothing was pushed to it since. */
  async has(repository: Repository): Promise<boolean> {
    try {
      await this.#storage.stat(emptiedMark(repository.name))
    } catch (error) {
      if (isPathNotFound(error)) return false
      throw error
    }
    return isEmpty(repository)
  }

  /** The names without those of emptied repositories. Costs one request to storage, and some for each mark. */
  async *without(
    names: AsyncIterable<RepositoryName>,
    repository: (name: RepositoryName) => Repository,
  ): AsyncIterable<RepositoryName> {
    let marked: ReadonlySet<string> | undefined
    for await (const name of names) {
      marked ??= await this.#all()
      if (!marked.has(name) || !(await isEmpty(repository(name)))) yield name
    }
  }

  async #all(): Promise<ReadonlySet<string>> {
    const names = new Set<string>()
    for await (const files of this.#storage.scan(EMPTIED)) {
      for (const { path } of files) {
        const [, name = ''] = MARK.exec(path) ?? []
        if (isRepositoryName(name)) names.add(name)
      }
    }
    return names
  }
}

async function isEmpty({ tags, manifests, blobs }: Repository): Promise<boolean> {
  for (const list of [tags.all(), manifests.all(), blobs.all()]) for await (const _ of list) return false
  return true
}
