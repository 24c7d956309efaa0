import { type AddressInfo, BlockList, isIPv6, type ListenOptions } from 'node:net'
import type { AccessControl } from './auth/access-control.ts'
import { isGuarded } from './auth/is-guarded.ts'
import { MemoryDescriptorCache } from './cache/memory.ts'
import { SharedDescriptorCache } from './cache/shared.ts'
import { parseTcpAddress } from './config/address.ts'
import { readRedisTls } from './config/redis-tls.ts'
import type { Config } from './config/schema.ts'
import { OPEN_TO_ALL } from './core/access-controller.ts'
import { type DescriptorCache, NO_CACHE } from './core/descriptor-cache.ts'
import type { Locks } from './core/locks.ts'
import type { Log } from './core/log.ts'
import { type ManifestPolicy, NO_VALIDATION } from './core/manifest/policy.ts'
import type { Peers } from './core/peers.ts'
import type { Registry } from './core/registry.ts'
import type { StorageDriver } from './core/storage-driver.ts'
import { HttpServer } from './http/server.ts'
import { defaultLimits, type HttpSettings } from './http/settings.ts'
import type { TlsSettings } from './http/tls-settings.ts'
import { run } from './maintenance/runner.ts'
import { Schedule } from './maintenance/schedule.ts'
import { abandonedUploads } from './maintenance/upload-purging.ts'
import { AuditFile } from './observability/audit-log.ts'
import type { DebugServer } from './observability/debug-server.ts'
import type { MergedMetrics, SnapshotSource } from './observability/merged-metrics.ts'
import type { Metrics } from './observability/metrics.ts'
import { StoredRegistry } from './registry/registry.ts'
import type { Certificates } from './tls/certificates.ts'

/** What a process that serves beside others has in common with them. */
export interface Company {
  readonly peers: Peers
  readonly locks: Locks
}

/** The composition root: a configuration becomes a running registry. The only place that wires parts.
 *  @param company of a process that is one of several: what is done once for all is then done elsewhere */
export async function startRegistry(config: Config, log: Log, company?: Company): Promise<RunningRegistry> {
  const isAlone = company === undefined
  const certificates = await openCertificates(config.http, log)
  const access = await openAccess(config, { log, isAlone })
  const metrics = await openMetrics(config)
  const driver = await openMeteredDriver(config, metrics).catch((error) => {
    access.close()
    throw error
  })
  const cache = shareCache(await openCache(config, { metrics, log }), company)
  metrics?.showCache(cache.counts)
  const registry = new StoredRegistry({
    driver,
    policy: manifestPolicy(config),
    cache,
    readOnly: config.storage.maintenance.readonly.enabled,
    smallContentBytes: config.storage.cache.blobdescriptor === 'none' ? 0 : config.storage.cache.contentsize,
    locks: company?.locks,
    log,
  })
  const tls = certificates && tlsSettings(config.http, certificates)
  const server = new HttpServer({
    registry,
    settings: httpSettings(config),
    log,
    access: access.controller,
    issuer: access.issuer,
    audit: access.audit,
    observer: metrics?.requests,
    tls,
  })
  const address = await server.listen(listenOptions(config.http)).catch(async (error) => {
    access.close()
    await registry.close()
    throw error
  })
  const debug = isAlone
    ? await startDebugServer(config, { metrics, log }).catch(async (error) => {
        await server.close(0)
        access.close()
        await registry.close()
        throw error
      })
    : undefined
  certificates?.watch(() => server.setSecureContext(certificates.secureContext))
  const purging = isAlone ? schedulePurging(config, registry, log) : undefined
  return {
    address: formatAddress(address, tls === undefined ? 'http' : 'https'),
    metrics,
    replaceRules: ({ auth }) => access.replaceRules(auth),
    reopenLogs: () => {
      access.audit?.reopen()
      void certificates?.reload()
    },
    async close() {
      certificates?.close()
      await server.close(config.http.draintimeout)
      await purging?.stop()
      await registry.close()
      await debug?.close()
      access.close()
    },
  }
}

export interface CommonWorkOptions {
  readonly locks: Locks
  /** What each process that serves has measured, by its number. */
  readonly snapshots: SnapshotSource
  readonly log: Log
}

/** What is done once for all when other processes serve: maintenance, and the debug server.
 *  @throws Error when the debug server cannot listen; StorageError */
export async function startCommonWork(
  config: Config,
  { locks, snapshots, log }: CommonWorkOptions,
): Promise<CommonWork> {
  const metrics = await openMetrics(config)
  const driver = await openMeteredDriver(config, metrics)
  const registry = new StoredRegistry({ driver, policy: manifestPolicy(config), locks, log })
  const merged = metrics && (await merge(metrics, snapshots))
  const debug = await startDebugServer(config, { metrics: merged, log }).catch(async (error) => {
    await registry.close()
    throw error
  })
  const purging = schedulePurging(config, registry, log)
  return {
    async close() {
      await purging?.stop()
      await registry.close()
      await debug?.close()
    },
  }
}

export interface CommonWork {
  /** Fulfilled when what runs has come to its end. */
  close(): Promise<void>
}

async function merge(own: Metrics, snapshots: SnapshotSource): Promise<MergedMetrics> {
  const { MergedMetrics } = await import('./observability/merged-metrics.ts')
  return new MergedMetrics({ own, snapshots })
}

export interface RunningRegistry {
  /** Where it listens: a URL, or `unix:` and the path of a socket. */
  readonly address: string
  /** Puts the rules of another configuration in force; nothing else of it. */
  replaceRules(config: Config): void
  /** Begins files anew that were moved away, and looks for new certificates. */
  reopenLogs(): void
  /** What this process measures; undefined where nobody is to see it. */
  readonly metrics: Metrics | undefined
  /** Lets what runs finish, up to the configured time, and lets go of everything. */
  close(): Promise<void>
}

interface Access extends AccessControl {
  readonly audit: AuditFile | undefined
}

async function openAccess(
  { auth }: Config,
  { log, isAlone }: { log: Log; isAlone: boolean },
): Promise<Access> {
  const control = await openAccessControl(auth, { log, isAlone })
  try {
    const audit = auth.audit && new AuditFile(auth.audit.path, log)
    const close = () => {
      control.close()
      audit?.close()
    }
    return { ...control, audit, close }
  } catch (error) {
    control.close()
    throw error
  }
}

/** Its code is loaded when somebody is to be kept out. */
async function openAccessControl(
  auth: Config['auth'],
  parts: { log: Log; isAlone: boolean },
): Promise<AccessControl> {
  if (!isGuarded(auth)) {
    return { controller: OPEN_TO_ALL, issuer: undefined, replaceRules() {}, close() {} }
  }
  return (await import('./auth/access-control.ts')).openAccessControl(auth, parts)
}

/** What this process measures; undefined where nobody is to see it. Its code is loaded when it is asked for. */
async function openMetrics({ http: { debug } }: Config): Promise<Metrics | undefined> {
  if (!debug?.addr || !debug.prometheus.enabled) return undefined
  const { Metrics } = await import('./observability/metrics.ts')
  return new Metrics()
}

async function openMeteredDriver({ storage }: Config, metrics: Metrics | undefined): Promise<StorageDriver> {
  const driver = await openDriver(storage)
  if (metrics === undefined) return driver
  const { MeteredDriver } = await import('./observability/metered-driver.ts')
  return new MeteredDriver(driver, metrics.storageTimer(driver.name))
}

/** The server for those who run the registry; undefined where there is to be none.
 *  @param metrics of this process, or of several as one; shown where metrics are enabled
 *  @throws Error when it cannot listen */
export async function startDebugServer(
  { http: { debug } }: Config,
  { metrics, log }: { metrics: Pick<Metrics, 'render'> | undefined; log: Log },
): Promise<DebugServer | undefined> {
  if (!debug?.addr) return undefined
  const { DebugServer } = await import('./observability/debug-server.ts')
  const { enabled, path } = debug.prometheus
  const page = enabled && metrics ? { path, render: () => metrics.render() } : undefined
  const server = new DebugServer({ metrics: page, log })
  const listening = server.listen(tcpOptions(debug.addr, 'http.debug.addr')).catch((cause) => {
    throw new Error(`http.debug.addr: ${cause.message}`, { cause })
  })
  log.info(
    { debugAddress: formatAddress(await listening, 'http'), metrics: page?.path },
    'debug server listening',
  )
  return server
}

/** A driver's code is loaded when it is configured. */
async function openDriver(storage: Config['storage']): Promise<StorageDriver> {
  if (storage.inmemory !== undefined) {
    const { MemoryDriver } = await import('./storage/memory.ts')
    return new MemoryDriver()
  }
  const { FilesystemDriver } = await import('./storage/filesystem.ts')
  const options = { root: storage.filesystem.rootdirectory }
  return storage.maintenance.readonly.enabled ? new FilesystemDriver(options) : FilesystemDriver.open(options)
}

/** The layer info cache that was chosen; the Redis client's code is loaded when it is needed. */
async function openCache(
  { storage, redis, http }: Config,
  { metrics, log }: { metrics: Metrics | undefined; log: Log },
): Promise<DescriptorCache> {
  const { blobdescriptor, blobdescriptorsize: maxEntries, ttl: ttlMs } = storage.cache
  if (blobdescriptor === 'none') return NO_CACHE
  if (blobdescriptor === 'inmemory' || redis === undefined)
    return new MemoryDescriptorCache({ maxEntries, ttlMs })
  const { RedisDescriptorCache } = await import('./cache/redis.ts')
  if (http.secret === '') {
    log.warn({ key: 'http.secret' }, 'is empty: whoever can write to Redis can change what the cache says')
  }
  const settings = { ...redis, tls: await readRedisTls(redis) }
  const timer = metrics?.redisTimer()
  const observe = timer && ((operation: string, seconds: number) => timer.observe(operation, seconds))
  return new RedisDescriptorCache({ settings, secret: http.secret, maxEntries, ttlMs, log, observe })
}

function shareCache(cache: DescriptorCache, company: Company | undefined): DescriptorCache {
  if (company === undefined || cache === NO_CACHE) return cache
  return new SharedDescriptorCache({ cache, peers: company.peers })
}

/** Their code is loaded when connections are to be encrypted. */
async function openCertificates({ tls }: Config['http'], log: Log): Promise<Certificates | undefined> {
  if (tls === undefined || (tls.certificate === '' && tls.letsencrypt.cachefile === '')) return undefined
  const [{ openCertificates }, { tlsPolicy }] = await Promise.all([
    import('./tls/certificates.ts'),
    import('./tls/policy.ts'),
  ])
  return openCertificates({ ...tls, policy: tlsPolicy(tls), log })
}

function tlsSettings({ tls, http2 }: Config['http'], certificates: Certificates): TlsSettings {
  const { clientauth, clientcas = [] } = tls ?? {}
  const mode = clientauth ?? (clientcas.length > 0 ? 'require-and-verify-client-cert' : undefined)
  return {
    secureContext: certificates.secureContext,
    contextOf: certificates.contextOf,
    challengeOf: certificates.challengeOf,
    clientCertificates: {
      isRequested: mode !== undefined,
      isRequired: mode?.startsWith('require-') === true,
      isVerified: mode?.includes('verify') === true,
    },
    http2: !http2.disabled,
  }
}

/** How long a server that has just started is left alone by its own maintenance. */
const FIRST_PURGE_DELAY_MS = 60_000

function schedulePurging({ storage }: Config, registry: Registry, log: Log): Schedule | undefined {
  const { uploadpurging, readonly } = storage.maintenance
  if (!uploadpurging.enabled || readonly.enabled) return undefined
  return new Schedule({
    name: 'upload purging',
    intervalMs: uploadpurging.interval,
    firstDelayMs: Math.min(uploadpurging.interval, FIRST_PURGE_DELAY_MS),
    log,
    work: (signal) =>
      run(abandonedUploads(registry, { ageMs: uploadpurging.age }), {
        log,
        dryRun: uploadpurging.dryrun,
        signal,
      }),
  })
}

function manifestPolicy({
  validation: { disabled, manifests },
  compatibility: {
    schema1: { enabled: schema1 },
  },
}: Config): ManifestPolicy {
  if (disabled) return { ...NO_VALIDATION, schema1 }
  const { platforms, platformlist } = manifests.indexes
  return {
    urls: manifests.urls,
    platforms: platforms === 'list' ? { list: platformlist } : platforms,
    schema1,
  }
}

function httpSettings({ http, storage, log, catalog, tags }: Config): HttpSettings {
  return {
    prefix: http.prefix,
    publicUrl: http.host,
    relativeUrls: http.relativeurls,
    trustedProxies: blockList(http.trustedproxies),
    extraHeaders: lowerCaseNames(http.headers),
    deleteEnabled: storage.delete.enabled,
    readOnly: storage.maintenance.readonly.enabled,
    redirect: !storage.redirect.disable,
    maxCatalogEntries: catalog.maxentries,
    maxTags: tags.maxtags,
    accessLog: !log.accesslog.disabled,
    h2c: http.h2c.enabled,
    requestsPerSecond: http.limits.requestspersecond,
    limits: defaultLimits,
  }
}

/** Headers of the same name in another case would be sent beside each other. */
function lowerCaseNames(headers: Config['http']['headers']): Record<string, string[]> {
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name.toLowerCase(), values]))
}

/** From addresses and CIDR ranges, checked when the configuration was. */
function blockList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

function listenOptions({ net, addr }: Config['http']): ListenOptions {
  if (net === 'unix') return { path: addr }
  return tcpOptions(addr, 'http.addr')
}

function tcpOptions(address: string, key: string): ListenOptions {
  const parsed = parseTcpAddress(address)
  if (parsed === undefined) throw new Error(`${key} was not checked: ${address}`)
  return parsed
}

function formatAddress(address: AddressInfo | string, scheme: 'http' | 'https'): string {
  if (typeof address === 'string') return `unix:${address}`
  const host = isIPv6(address.address) ? `[${address.address}]` : address.address
  return `${scheme}://${host}:${address.port}`
}
