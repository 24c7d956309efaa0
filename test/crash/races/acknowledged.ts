import type { RepositoryState } from './orders.ts'

export interface SettledState extends RepositoryState {
  /** The names of the content that was deleted. */
  readonly deleted: ReadonlySet<string>
}

/** What clients were promised, by repository; and all digests they asked for, whatever was answered. */
export class Acknowledged {
  readonly #promised = new Map<string, Set<string>>()
  readonly #asked = new Map<string, Set<string>>()
  readonly #settled = new Map<string, SettledState>()

  /** To be called before a blob is asked for under the digest, by an upload or a mount. */
  ask(repository: string, digest: string): void {
    add(this.#asked, repository, digest)
  }

  /** The registry has said that it has the blob. Nobody deletes any. */
  promise(repository: string, digest: string): void {
    add(this.#promised, repository, digest)
  }

  isPromised(repository: string, digest: string): boolean {
    return this.#promised.get(repository)?.has(digest) ?? false
  }

  /** All that were asked for. */
  get blobs(): { repository: string; digest: string }[] {
    return [...this.#asked].flatMap(([repository, digests]) =>
      Array.from(digests, (digest) => ({ repository, digest })),
    )
  }

  /** @param looked the names of all content that was looked for */
  settle(repository: string, { contents, tags }: RepositoryState, looked: ReadonlySet<string>): void {
    const before = this.#settled.get(repository)
    const isGone = (name: string) => looked.has(name) && !contents.has(name)
    const all = [...(before?.contents ?? []), ...looked]
    const deleted = new Set([...(before?.deleted ?? []), ...all.filter(isGone)])
    this.#settled.set(repository, {
      contents: new Set(all.filter((name) => !isGone(name))),
      tags,
      deleted,
    })
  }

  /** By repository. */
  get settled(): ReadonlyMap<string, SettledState> {
    return this.#settled
  }
}

function add(map: Map<string, Set<string>>, key: string, value: string): void {
  map.set(key, (map.get(key) ?? new Set()).add(value))
}
