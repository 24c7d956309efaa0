import type { RepositoryName, Tag } from '../../core/reference.ts'

/** What is to be looked at next: tags of some repositories, or one repository, of which anything may have changed or only the
 *  number of its pulls. */
export type Marked =
  | { readonly tags: ReadonlyMap<RepositoryName, ReadonlySet<Tag>> }
  | { readonly repository: RepositoryName; readonly changed: 'anything' | 'pulls' }

/** More tags than this are one look at the whole repository. */
const MAX_TAGS = 500
/** More repositories than this are left to the sweep. */
const MAX_REPOSITORIES = 20_000
/** Repositories whose tags are looked at together. */
const MAX_TOGETHER = 100

/** The changes of a process that the index does not have yet. */
export class Marks {
  readonly #marks = new Map<RepositoryName, Set<Tag> | 'anything'>()
  readonly #pulled = new Set<RepositoryName>()

  /** @param tags those that were set or removed
   *  @returns false if there are too many */
  add(repository: RepositoryName, tags: readonly Tag[] | 'anything'): boolean {
    const marked = this.#marks.get(repository)
    if (marked === undefined && this.#marks.size >= MAX_REPOSITORIES) return false
    const all = tags === 'anything' || marked === 'anything' ? undefined : [...(marked ?? []), ...tags]
    this.#marks.set(repository, all === undefined || all.length > MAX_TAGS ? 'anything' : new Set(all))
    return true
  }

  /** @param repositories those whose pulls were recorded; too many are left to the sweep */
  addPulled(repositories: Iterable<RepositoryName>): void {
    for (const repository of repositories)
      if (this.#pulled.size < MAX_REPOSITORIES) this.#pulled.add(repository)
  }

  /** Takes the changes of the repository that was marked first, with tags of others; pulls after all other changes. */
  take(): Marked | undefined {
    for (const [repository, mark] of this.#marks) {
      if (mark !== 'anything') return { tags: this.#takeTags() }
      this.#marks.delete(repository)
      return { repository, changed: mark }
    }
    for (const repository of this.#pulled) {
      this.#pulled.delete(repository)
      return { repository, changed: 'pulls' }
    }
    return undefined
  }

  #takeTags(): Map<RepositoryName, Set<Tag>> {
    const taken = new Map<RepositoryName, Set<Tag>>()
    for (const [repository, mark] of this.#marks) {
      if (mark === 'anything') continue
      taken.set(repository, mark)
      this.#marks.delete(repository)
      if (taken.size === MAX_TOGETHER) break
    }
    return taken
  }
}
