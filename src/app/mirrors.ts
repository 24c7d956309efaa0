import { tmpdir } from 'node:os'
import picomatch from 'picomatch'
import { azureCredentials, googleCredentials } from '../client/cloud-credentials.ts'
import { helperCredentials } from '../client/credential-helper.ts'
import { type CredentialSource, fixedCredentials } from '../client/credentials.ts'
import { ecrCredentials } from '../client/ecr-credentials.ts'
import { openUndiciConnections } from '../client/http/undici-connections.ts'
import { RegistryClient } from '../client/registry-client.ts'
import type { RegistryClientOptions } from '../client/registry-requests.ts'
import type { Config } from '../config/schema.ts'
import type { Log } from '../core/log.ts'
import type { MirrorFigures } from '../core/mirror-figures.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { Registry } from '../core/registry.ts'
import type { UpstreamRegistry } from '../core/upstream/upstream-registry.ts'
import type { HttpSettings } from '../http/settings.ts'
import { readTextSync } from '../lib/files/bounded-read.ts'
import { removeAbandonedSpools } from '../lib/files/spool-file.ts'
import { settleAll } from '../lib/settle-all.ts'
import { version } from '../lib/version.ts'
import { Schedule } from '../maintenance/schedule.ts'
import { Evictor } from '../mirror/eviction/evictor.ts'
import { Usage } from '../mirror/eviction/usage.ts'
import type { SpoolPlace } from '../mirror/flight/flight.ts'
import { Flights } from '../mirror/flight/flights.ts'
import { MirroredRegistry } from '../mirror/mirrored-registry.ts'
import { MirrorMemory } from '../mirror/repository/context.ts'
import { WorkerFlights } from '../mirror/sharing/worker-flights.ts'
import type { MirrorSettings } from '../mirror/upstream/settings.ts'
import { Upstream } from '../mirror/upstream/upstream.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { StoredRegistry } from '../registry/registry.ts'
import type { Tracing } from '../tracing/open-tracing.ts'
import type { WorkerGroup } from './open.ts'

type Mirror = Config['mirrors'][number]

/** Time limit for the upstream's answer about a cached tag, and lifetime of cached absence. */
const STALE_AFTER_MS = 800
const NEGATIVE_MS = 30_000

export interface Mirrors {
  /** The registry with what it mirrors. */
  readonly registry: Registry
  /** Names of repositories here, by those that clients use. Undefined if they are the same. */
  readonly namespaces: HttpSettings['namespaces']
  readonly figures: readonly MirrorFigures[]
  close(): Promise<void>
}

interface MirrorParts {
  readonly metrics: Metrics | undefined
  /** Undefined if tracing is off. */
  readonly tracing: Tracing | undefined
  /** Undefined if this process serves alone. */
  readonly workerGroup: WorkerGroup | undefined
  readonly log: Log
}

export async function openMirrors(
  config: Config,
  stored: StoredRegistry,
  { metrics, tracing, workerGroup, log }: MirrorParts,
): Promise<Mirrors> {
  const userAgent = `entrepot/${await version()}`
  const upstreams = await upstreamsOf(config, { userAgent, tracing })
  const { mirroring, storage } = config
  const readOnly = storage.maintenance.readonly.enabled
  const place = spoolPlace(config)
  if (place.isStorage && !readOnly) await removeAbandonedSpools(place.folder)
  const { maxflights: maxFlights, memory: memoryBytes } = mirroring
  const workers = await shareFlights(workerGroup, log)
  const flights = new Flights({ place, maxFlights, memoryBytes, readOnly, workers, log })
  const usage = new Usage()
  const locks = workerGroup?.locks
  const context = { flights, usage, memory: new MirrorMemory(), locks, readOnly, log }
  const figures = upstreams.map((upstream) => upstream.figures)
  metrics?.showMirrors(figures)
  const eviction = readOnly ? undefined : scheduleEviction(stored, { upstreams, usage, log })
  return {
    namespaces: namespacesOf(config),
    figures,
    registry: new MirroredRegistry(stored, upstreams, context),
    async close() {
      await eviction?.stop()
      await flights.close()
      await workers?.close()
      await settleAll(upstreams.map((upstream) => upstream.close()))
    },
  }
}

/** If the workers' sockets can't be made, each worker fetches for itself. */
async function shareFlights(
  workerGroup: WorkerGroup | undefined,
  log: Log,
): Promise<WorkerFlights | undefined> {
  if (workerGroup === undefined) return undefined
  try {
    return await WorkerFlights.open(workerGroup.locks)
  } catch (err) {
    log.warn({ err }, 'each worker fetches blobs from upstreams for itself')
    return undefined
  }
}

/** The folder of the storage itself by default, where finished spool files are renamed to blobs. */
function spoolPlace({ mirroring, storage }: Config): SpoolPlace {
  if (mirroring.folder !== '') return { folder: mirroring.folder, isStorage: false }
  const root = storage.filesystem?.rootdirectory
  return { folder: root ?? tmpdir(), isStorage: root !== undefined }
}

const NOTE_INTERVAL_MS = 10 * 60_000
/** Notes between two scans of the content, unless much was fetched. */
const NOTES_BETWEEN = 6
/** Part of a mirror's size that must be fetched for an earlier scan. */
const MUCH = 0.1

function scheduleEviction(
  stored: StoredRegistry,
  { upstreams, usage, log }: { upstreams: readonly Upstream[]; usage: Usage; log: Log },
): Pick<Schedule, 'stop'> {
  const { storage } = stored.collectable
  const evictor = new Evictor({ registry: stored, storage, upstreams, usage, log })
  const fetched = new Map<Upstream, number>()
  const hasFetchedMuch = () =>
    upstreams.some(
      (upstream) =>
        upstream.settings.maxBytes > 0 &&
        upstream.figures.fetchedBytes - (fetched.get(upstream) ?? 0) > MUCH * upstream.settings.maxBytes,
    )
  let notes = 0
  const schedule = new Schedule({
    name: 'eviction from mirrors',
    intervalMs: NOTE_INTERVAL_MS,
    firstDelayMs: NOTE_INTERVAL_MS,
    log,
    async work(signal) {
      if (++notes % NOTES_BETWEEN !== 1 && !hasFetchedMuch()) return evictor.writeNote()
      for (const upstream of upstreams) fetched.set(upstream, upstream.figures.fetchedBytes)
      await evictor.evictInTurn(signal)
    },
  })
  const stop = async () => {
    await schedule.stop()
    await evictor.writeNote().catch((err) => log.warn({ err }, 'what mirrors have used was not written down'))
  }
  return { stop }
}

/** Undefined for Distribution's proxy, which uses no namespaces. The registry's own host names hosted
 *  repositories. */
function namespacesOf({ mirrors, http }: Config): HttpSettings['namespaces'] {
  if (mirrors.length === 0) return undefined
  const own: [string, string][] = http.host === undefined ? [] : [[http.host.host, '']]
  const entries = (key: 'namespaces' | 'hosts') =>
    mirrors.flatMap((mirror) => mirror[key].map((name): [string, string] => [name, mirror.prefix]))
  return { byName: new Map([...own, ...entries('namespaces')]), byHost: new Map(entries('hosts')) }
}

interface ClientParts {
  readonly userAgent: string
  readonly tracing: Tracing | undefined
}

async function upstreamsOf({ proxy, mirrors }: Config, parts: ClientParts): Promise<Upstream[]> {
  if (proxy.remoteurl === undefined) return Promise.all(mirrors.map((mirror) => upstreamOf(mirror, parts)))
  const { remoteurl: url } = proxy
  const credentials = credentialsOf({ ...proxy, url })
  return [new Upstream(openClient({ url, credentials }, parts), proxySettings(proxy))]
}

async function upstreamOf(mirror: Mirror, parts: ClientParts): Promise<Upstream> {
  const { url } = mirror.upstream
  const client = openClient(
    {
      url,
      credentials: credentialsOf({ ...mirror, url }),
      ca: mirror.cas.map((path) => readTextSync(path, MAX_CA_BYTES)),
      realmHosts: mirror.tokenhosts,
      redirectNetworks: mirror.redirectnetworks,
    },
    parts,
  )
  return new Upstream(client, mirrorSettings(mirror))
}

function openClient(
  options: Omit<RegistryClientOptions, 'userAgent' | 'openConnections'>,
  { userAgent, tracing }: ClientParts,
): UpstreamRegistry {
  const openConnections = openUndiciConnections
  if (tracing === undefined) return new RegistryClient({ ...options, userAgent, openConnections })
  const traceHeaders = () => tracing.tracer.headers()
  return tracing.upstream(new RegistryClient({ ...options, userAgent, openConnections, traceHeaders }))
}

const MAX_CA_BYTES = 4 * 1024 ** 2

interface Login extends Pick<Mirror, 'username' | 'password' | 'exec'> {
  readonly url: string
  readonly credentials?: Mirror['credentials']
}

function credentialsOf({ username, password, exec, url, credentials }: Login): CredentialSource {
  if (credentials === 'azure') return azureCredentials(url)
  if (credentials === 'ecr') return ecrCredentials(url)
  if (credentials === 'google') return googleCredentials()
  if (exec !== undefined)
    return helperCredentials({ command: exec.command, lifetimeMs: exec.lifetime, serverUrl: url })
  return fixedCredentials(username === '' && password === '' ? undefined : { username, password })
}

/** As Distribution's proxy is: a tag that the upstream has no longer stays, and tags are listed as it has
 *  them. */
function proxySettings({ ttl, cachewritetimeout }: Config['proxy']): MirrorSettings {
  return {
    prefix: '',
    admits: () => true,
    ttlMs: ttl,
    maxBytes: 0,
    tagFreshMs: 0,
    negativeMs: NEGATIVE_MS,
    staleAfterMs: STALE_AFTER_MS,
    storeTimeoutMs: cachewritetimeout,
    whenDeleted: 'keep',
    lists: 'upstream',
  }
}

function mirrorSettings(mirror: Mirror): MirrorSettings {
  const { repositories } = mirror
  return {
    prefix: mirror.prefix as RepositoryName,
    admits: repositories.length === 0 ? () => true : picomatch(repositories),
    ttlMs: mirror.ttl,
    maxBytes: mirror.maxsize,
    tagFreshMs: mirror.revalidate,
    negativeMs: mirror.negativettl,
    staleAfterMs: mirror.staleafter,
    storeTimeoutMs: mirror.cachewritetimeout,
    whenDeleted: mirror.ondelete,
    lists: mirror.lists,
  }
}
