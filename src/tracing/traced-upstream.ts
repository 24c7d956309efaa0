import type { ReferrerDescriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { RepositoryName, Tag } from '../core/reference.ts'
import type { SpanOptions, Tracer } from '../core/tracing/tracer.ts'
import type {
  CallOptions,
  ManifestHead,
  OpenBlobOptions,
  RateLimit,
  UpstreamBlob,
  UpstreamManifest,
  UpstreamRegistry,
} from '../core/upstream/upstream-registry.ts'

/** Makes a span of each call of an upstream registry, with its logins, redirects and attempts. */
export class TracedUpstream implements UpstreamRegistry {
  readonly #upstream: UpstreamRegistry
  readonly #tracer: Tracer

  constructor(upstream: UpstreamRegistry, tracer: Tracer) {
    this.#upstream = upstream
    this.#tracer = tracer
  }

  get host(): string {
    return this.#upstream.host
  }

  get rateLimit(): RateLimit | undefined {
    return this.#upstream.rateLimit
  }

  headManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    options?: CallOptions,
  ): Promise<ManifestHead> {
    return this.#tracer.inSpan(this.#optionsOf('HEAD manifest', repository, reference), () =>
      this.#upstream.headManifest(repository, reference, options),
    )
  }

  getManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    options?: CallOptions,
  ): Promise<UpstreamManifest> {
    return this.#tracer.inSpan(this.#optionsOf('GET manifest', repository, reference), () =>
      this.#upstream.getManifest(repository, reference, options),
    )
  }

  headBlob(repository: RepositoryName, digest: Digest, options?: CallOptions): Promise<number | undefined> {
    return this.#tracer.inSpan(this.#optionsOf('HEAD blob', repository, digest), () =>
      this.#upstream.headBlob(repository, digest, options),
    )
  }

  /** One span up to the head of the answer, and one of the bytes. */
  async openBlob(
    repository: RepositoryName,
    digest: Digest,
    options?: OpenBlobOptions,
  ): Promise<UpstreamBlob> {
    const blob = await this.#tracer.inSpan(this.#optionsOf('GET blob', repository, digest), () =>
      this.#upstream.openBlob(repository, digest, options),
    )
    const reading = this.#optionsOf('read blob', repository, digest)
    return { ...blob, chunks: this.#tracer.aroundSteps(reading, blob.chunks) }
  }

  tags(repository: RepositoryName, options?: CallOptions): AsyncIterable<string> {
    const listing = this.#optionsOf('GET tags', repository)
    return this.#tracer.aroundSteps(listing, this.#upstream.tags(repository, options))
  }

  repositories(options?: CallOptions): AsyncIterable<string> {
    return this.#tracer.aroundSteps(this.#optionsOf('GET catalog'), this.#upstream.repositories(options))
  }

  referrers(
    repository: RepositoryName,
    subject: Digest,
    options?: CallOptions,
  ): Promise<readonly ReferrerDescriptor[]> {
    return this.#tracer.inSpan(this.#optionsOf('GET referrers', repository, subject), () =>
      this.#upstream.referrers(repository, subject, options),
    )
  }

  close(): Promise<void> {
    return this.#upstream.close()
  }

  #optionsOf(call: string, repository?: RepositoryName, reference?: Tag | Digest): SpanOptions {
    const [address, port] = addressOf(this.host)
    return {
      name: `upstream ${call}`,
      kind: 'client',
      attributes: {
        'server.address': address,
        'server.port': port,
        'entrepot.repository': repository,
        'entrepot.reference': reference,
      },
    }
  }
}

function addressOf(host: string): [address: string, port: number | undefined] {
  const [, address = host, port] = /^(.*?)(?::(\d+))?$/.exec(host) ?? []
  return [address, port === undefined ? undefined : Number(port)]
}
