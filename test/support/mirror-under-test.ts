/** A registry in this process that mirrors upstreams, as the HTTP API serves it. */
import { tmpdir } from 'node:os'
import { openUndiciConnections } from '../../src/client/http/undici-connections.ts'
import { RegistryClient } from '../../src/client/registry-client.ts'
import type { RegistryClientOptions } from '../../src/client/registry-requests.ts'
import type { RepositoryName } from '../../src/core/reference.ts'
import type { Registry } from '../../src/core/registry.ts'
import { Usage } from '../../src/mirror/eviction/usage.ts'
import { Flights } from '../../src/mirror/flight/flights.ts'
import { MirroredRegistry } from '../../src/mirror/mirrored-registry.ts'
import { MirrorMemory } from '../../src/mirror/repository/context.ts'
import type { MirrorSettings } from '../../src/mirror/upstream/settings.ts'
import { Upstream } from '../../src/mirror/upstream/upstream.ts'
import { HttpRegistry, type HttpRegistryOptions, quiet } from './http-registry.ts'

export interface MirroredUpstream {
  readonly url: string
  readonly client?: Partial<RegistryClientOptions>
  readonly settings?: Partial<MirrorSettings>
}

export const MIRROR_SETTINGS: MirrorSettings = {
  prefix: '',
  admits: () => true,
  ttlMs: 0,
  maxBytes: 0,
  tagFreshMs: 0,
  negativeMs: 30_000,
  staleAfterMs: 800,
  storeTimeoutMs: 60_000,
  whenDeleted: 'keep',
  lists: 'upstream',
}

export interface MirrorUnderTest extends AsyncDisposable {
  readonly http: HttpRegistry
  /** As the server sees it. */
  readonly registry: Registry
  readonly upstreams: readonly Upstream[]
  readonly flights: Flights
  readonly usage: Usage
}

export async function startMirror(
  mirrored: MirroredUpstream | readonly MirroredUpstream[],
  options: HttpRegistryOptions & {
    readonly folder?: string
    /** True if `folder` is the root of the storage. */
    readonly isStorage?: boolean
    readonly maxFlights?: number
    readonly memoryBytes?: number
  } = {},
): Promise<MirrorUnderTest> {
  const { folder = tmpdir(), isStorage = false, maxFlights = 64, memoryBytes = 0, log = quiet } = options
  const readOnly = options.settings?.readOnly ?? false
  const upstreams = [mirrored].flat().map(
    ({ url, client, settings }) =>
      new Upstream(
        new RegistryClient({
          url,
          userAgent: 'entrepot/test',
          openConnections: openUndiciConnections,
          ...client,
        }),
        {
          ...MIRROR_SETTINGS,
          ...settings,
        },
      ),
  )
  const place = { folder, isStorage }
  const flights = new Flights({ place, maxFlights, memoryBytes, readOnly, log })
  const usage = new Usage()
  const context = { flights, usage, memory: new MirrorMemory(), readOnly, log }
  let registry: Registry | undefined
  const http = await HttpRegistry.start({
    ...options,
    decorate: (stored) => {
      registry = new MirroredRegistry(stored, upstreams, context)
      return registry
    },
  })
  return {
    ...{ http, upstreams, flights, usage },
    registry: registry!,
    async [Symbol.asyncDispose]() {
      await http.stop()
      await flights.close()
      await Promise.all(upstreams.map((upstream) => upstream.close()))
      await http.driver.close()
    },
  }
}

export const name = (text: string) => text as RepositoryName
