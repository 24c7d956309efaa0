import { type AddressInfo, BlockList, isIPv6, type ListenOptions } from 'node:net'
import { MemoryDescriptorCache } from './cache/memory.ts'
import { parseTcpAddress } from './config/address.ts'
import { readRedisTls } from './config/redis-tls.ts'
import type { Config } from './config/schema.ts'
import { type DescriptorCache, NO_CACHE } from './core/descriptor-cache.ts'
import type { Log } from './core/log.ts'
import { type ManifestPolicy, NO_VALIDATION } from './core/manifest/policy.ts'
import type { Registry } from './core/registry.ts'
import type { StorageDriver } from './core/storage-driver.ts'
import { HttpServer } from './http/server.ts'
import { defaultLimits, type HttpSettings } from './http/settings.ts'
import { run } from './maintenance/runner.ts'
import { Schedule } from './maintenance/schedule.ts'
import { abandonedUploads } from './maintenance/upload-purging.ts'
import { StoredRegistry } from './registry/registry.ts'

/** The composition root: a configuration becomes a running registry. The only place that wires parts. */
export async function startRegistry(config: Config, log: Log): Promise<RunningRegistry> {
  const driver = await openDriver(config.storage)
  const registry = new StoredRegistry({
    driver,
    policy: manifestPolicy(config),
    cache: await openCache(config, log),
    readOnly: config.storage.maintenance.readonly.enabled,
    smallContentBytes: config.storage.cache.blobdescriptor === 'none' ? 0 : config.storage.cache.contentsize,
    log,
  })
  const server = new HttpServer({ registry, settings: httpSettings(config), log })
  const address = await server.listen(listenOptions(config.http)).catch(async (error) => {
    await registry.close()
    throw error
  })
  const purging = schedulePurging(config, registry, log)
  return {
    address: formatAddress(address),
    async close() {
      await server.close(config.http.draintimeout)
      await purging?.stop()
      await registry.close()
    },
  }
}

export interface RunningRegistry {
  /** Where it listens: a URL, or `unix:` and the path of a socket. */
  readonly address: string
  /** Lets what runs finish, up to the configured time, and lets go of everything. */
  close(): Promise<void>
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
async function openCache({ storage, redis, http }: Config, log: Log): Promise<DescriptorCache> {
  const { blobdescriptor, blobdescriptorsize: maxEntries, ttl: ttlMs } = storage.cache
  if (blobdescriptor === 'none') return NO_CACHE
  if (blobdescriptor === 'inmemory' || redis === undefined)
    return new MemoryDescriptorCache({ maxEntries, ttlMs })
  const { RedisDescriptorCache } = await import('./cache/redis.ts')
  if (http.secret === '') {
    log.warn({ key: 'http.secret' }, 'is empty: whoever can write to Redis can change what the cache says')
  }
  const settings = { ...redis, tls: await readRedisTls(redis) }
  return new RedisDescriptorCache({ settings, secret: http.secret, maxEntries, ttlMs, log })
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
  const parsed = parseTcpAddress(addr)
  if (parsed === undefined) throw new Error(`http.addr was not checked: ${addr}`)
  return parsed
}

function formatAddress(address: AddressInfo | string): string {
  if (typeof address === 'string') return `unix:${address}`
  const host = isIPv6(address.address) ? `[${address.address}]` : address.address
  return `http://${host}:${address.port}`
}
