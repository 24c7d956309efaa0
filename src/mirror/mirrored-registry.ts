import { LRUCache } from 'lru-cache'
import { RegistryError } from '../core/errors.ts'
import { ForwardingRegistry } from '../core/forwarding-registry.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { Page, Registry, Repository } from '../core/registry.ts'
import { UpstreamError } from '../core/upstream/upstream-error.ts'
import type { MirrorContext } from './repository/context.ts'
import { MirroredRepository } from './repository/mirrored-repository.ts'
import type { Upstream } from './upstream/upstream.ts'

const MAX_KEPT_REPOSITORIES = 1_000

/** Serves the repositories of upstream registries under configured prefixes, and caches what is pulled from
 *  them. Other names are those of the stored registry. */
export class MirroredRegistry extends ForwardingRegistry {
  readonly #upstreams: readonly Upstream[]
  readonly #context: MirrorContext
  readonly #repositories = new LRUCache<RepositoryName, MirroredRepository>({ max: MAX_KEPT_REPOSITORIES })

  constructor(registry: Registry, upstreams: readonly Upstream[], context: MirrorContext) {
    super(registry)
    // The longest matching prefix wins.
    this.#upstreams = [...upstreams].sort((a, b) => b.settings.prefix.length - a.settings.prefix.length)
    this.#context = context
  }

  /** @throws RegistryError NAME_UNKNOWN for a name of an upstream that is not mirrored */
  override repository(name: RepositoryName): Repository {
    const kept = this.#repositories.get(name)
    if (kept !== undefined) return kept
    const stored = super.repository(name)
    const upstream = this.#upstreams.find((one) => one.owns(name))
    if (upstream === undefined) return stored
    if (upstream.nameOf(name) === undefined) throw new RegistryError('NAME_UNKNOWN', { detail: { name } })
    const repository = new MirroredRepository({ ...this.#context, name, upstream, stored })
    this.#repositories.set(name, repository)
    return repository
  }

  /** Stored repositories, merged with those of upstreams whose setting is to list them. */
  override async *repositories(page: Page = {}): AsyncIterable<RepositoryName> {
    const listed = await Promise.all(this.#upstreams.map((upstream) => this.#listed(upstream, page)))
    const others = [...new Set(listed.flat())].sort((a, b) => (a < b ? -1 : 1))
    let at = 0
    for await (const name of super.repositories(page)) {
      for (let other = others[at]; other !== undefined && other < name; other = others[at]) {
        yield other
        at++
      }
      if (others[at] === name) at++
      yield name
    }
    yield* others.slice(at)
  }

  async #listed(upstream: Upstream, { after = '' }: Page): Promise<RepositoryName[]> {
    if (upstream.settings.lists === 'cached') return []
    try {
      return (await upstream.repositories()).filter((name) => name > after)
    } catch (err) {
      if (!(err instanceof UpstreamError)) throw err
      this.#context.log.warn(
        { upstream: upstream.host, err },
        'only cached repositories of an upstream are listed',
      )
      return []
    }
  }
}
