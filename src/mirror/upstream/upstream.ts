import type { ReferrerDescriptor } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'
import { type ErrorCode, RegistryError } from '../../core/errors.ts'
import { type MirrorFigures, newMirrorFigures } from '../../core/mirror-figures.ts'
import { isRepositoryName, type RepositoryName, type Tag } from '../../core/reference.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type {
  CallOptions,
  ManifestHead,
  OpenBlobOptions,
  UpstreamBlob,
  UpstreamManifest,
  UpstreamRegistry,
} from '../../core/upstream/upstream-registry.ts'
import { Breaker } from './breaker.ts'
import type { MirrorSettings } from './settings.ts'

/** An upstream registry, addressed by the local names of its repositories. */
export class Upstream {
  readonly settings: MirrorSettings
  readonly breaker = new Breaker()
  readonly figures: MirrorFigures
  readonly #registry: UpstreamRegistry

  constructor(registry: UpstreamRegistry, settings: MirrorSettings) {
    this.#registry = registry
    this.settings = settings
    const { breaker } = this
    this.figures = newMirrorFigures({
      ...{ prefix: settings.prefix, host: registry.host },
      state: () => breaker.state,
      rateLimit: () => registry.rateLimit,
    })
  }

  get host(): string {
    return this.#registry.host
  }

  /** True for local names under this upstream's prefix, also for those that are not mirrored. */
  owns(repository: RepositoryName): boolean {
    const { prefix } = this.settings
    return prefix === '' || repository === prefix || repository.startsWith(`${prefix}/`)
  }

  /** The upstream's name of a local repository; undefined if it is not mirrored. */
  nameOf(repository: RepositoryName): RepositoryName | undefined {
    const { prefix, admits } = this.settings
    const name = prefix === '' ? repository : repository.slice(prefix.length + 1)
    return isRepositoryName(name) && admits(name) ? name : undefined
  }

  /** The local name of a repository of the upstream; undefined if it is not mirrored, or too long. */
  localName(name: string): RepositoryName | undefined {
    const { prefix } = this.settings
    const local = prefix === '' ? name : `${prefix}/${name}`
    return isRepositoryName(local) && isRepositoryName(name) && this.settings.admits(name) ? local : undefined
  }

  headManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    options?: CallOptions,
  ): Promise<ManifestHead> {
    return this.breaker.call('tag', () =>
      this.#registry.headManifest(this.#require(repository), reference, options),
    )
  }

  getManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    options?: CallOptions,
  ): Promise<UpstreamManifest> {
    return this.breaker.call('manifest', () =>
      this.#registry.getManifest(this.#require(repository), reference, options),
    )
  }

  headBlob(repository: RepositoryName, digest: Digest): Promise<number | undefined> {
    return this.breaker.call('blob', () => this.#registry.headBlob(this.#require(repository), digest))
  }

  openBlob(repository: RepositoryName, digest: Digest, options: OpenBlobOptions): Promise<UpstreamBlob> {
    return this.breaker.call('blob', () =>
      this.#registry.openBlob(this.#require(repository), digest, options),
    )
  }

  referrers(repository: RepositoryName, subject: Digest): Promise<readonly ReferrerDescriptor[]> {
    return this.breaker.call('list', () => this.#registry.referrers(this.#require(repository), subject))
  }

  /** All tags, in byte order. */
  tags(repository: RepositoryName): Promise<string[]> {
    return this.breaker.call('list', () => sorted(this.#registry.tags(this.#require(repository))))
  }

  /** Local names of all mirrored repositories, in byte order. */
  async repositories(): Promise<RepositoryName[]> {
    const names = await this.breaker.call('list', () => sorted(this.#registry.repositories()))
    return names.flatMap((name) => this.localName(name) ?? [])
  }

  close(): Promise<void> {
    return this.#registry.close()
  }

  #require(repository: RepositoryName): RepositoryName {
    const name = this.nameOf(repository)
    if (name !== undefined) return name
    throw new UpstreamError('NOT_FOUND', { message: `${repository} is not mirrored` })
  }
}

const MAX_NAMES = 1_000_000

async function sorted(names: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const name of names) {
    all.push(name)
    if (all.length > MAX_NAMES)
      throw new UpstreamError('INVALID', { message: `the upstream's list has more than ${MAX_NAMES} names` })
  }
  return [...new Set(all)].sort((a, b) => (a < b ? -1 : 1))
}

/** Maps a failure of an upstream to the error for the client. Only a 404 of the upstream itself becomes the
 *  error `absent`; an outage never does. */
export function clientError(error: unknown, absent: ErrorCode, detail: unknown): unknown {
  if (!(error instanceof UpstreamError)) return error
  const { message, retryAfterMs } = error
  const options = { message, detail, cause: error }
  switch (error.code) {
    case 'NOT_FOUND':
      return new RegistryError(absent, { detail, cause: error })
    case 'REFUSED':
      return new RegistryError('DENIED', {
        ...options,
        message: 'the upstream does not let this registry have it',
      })
    case 'THROTTLED': {
      const retryAfterSeconds = Math.ceil((retryAfterMs ?? 1_000) / 1_000)
      return new RegistryError('TOOMANYREQUESTS', {
        ...options,
        message: 'the upstream was asked too often',
        retryAfterSeconds,
      })
    }
    case 'TIMEOUT':
      return new RegistryError('UPSTREAM_TIMEOUT', options)
    default:
      return new RegistryError('UPSTREAM_FAILED', options)
  }
}
