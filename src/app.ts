import { type AddressInfo, BlockList, isIPv6, type ListenOptions } from 'node:net'
import { MemoryDescriptorCache } from './cache/memory.ts'
import { SharedDescriptorCache } from './cache/shared.ts'
import { parseTcpAddress } from './config/address.ts'
import type { Config } from './config/schema.ts'
import { type DescriptorCache, NO_CACHE } from './core/descriptor-cache.ts'
import type { Locks } from './core/locks.ts'
import type { Log } from './core/log.ts'
import { type ManifestPolicy, NO_VALIDATION } from './core/manifest/policy.ts'
import type { Peers } from './core/peers.ts'
import type { Registry } from './core/registry.ts'
import type { StorageDriver } from './core/storage-driver.ts'
import { HttpServer } from './http/server.ts'
import { defaultLimits, type HttpSettings } from './http/settings.ts'
import { run } from './maintenance/runner.ts'
import { Schedule } from './maintenance/schedule.ts'
import { abandonedUploads } from './maintenance/upload-purging.ts'
import { StoredRegistry } from './registry/registry.ts'

/** What a process that serves beside others has in common with them. */
export interface Company {
  readonly peers: Peers
  readonly locks: Locks
}

/** The composition root: a configuration becomes a running registry. The only place that wires parts.
 *  @param company of a process that is one of several; their maintenance is somebody else's work */
export async function startRegistry(config: Config, log: Log, company?: Company): Promise<RunningRegistry> {
  const driver = await openDriver(config.storage)
  const registry = new StoredRegistry({
    driver,
    policy: manifestPolicy(config),
    cache: descriptorCache(config, company?.peers),
    smallContentBytes: config.storage.cache.blobdescriptor === 'none' ? 0 : config.storage.cache.contentsize,
    locks: company?.locks,
    log,
  })
  const server = new HttpServer({ registry, settings: httpSettings(config), log })
  const address = await server.listen(listenOptions(config.http)).catch(async (error) => {
    await registry.close()
    throw error
  })
  const purging = company === undefined ? schedulePurging(config, registry, log) : undefined
  return {
    address: formatAddress(address),
    async close() {
      await server.close(config.http.draintimeout)
      await purging?.stop()
      await registry.close()
    },
  }
}

/** What is to be done to the storage now and again, for registries that are served by other processes. */
export async function startMaintenance(config: Config, log: Log, locks: Locks): Promise<Maintenance> {
  if (!purgesUploads(config)) return { close: async () => {} }
  const driver = await openDriver(config.storage)
  const registry = new StoredRegistry({ driver, policy: manifestPolicy(config), locks, log })
  const purging = schedulePurging(config, registry, log)
  return {
    async close() {
      await purging?.stop()
      await registry.close()
    },
  }
}

export interface Maintenance {
  /** Fulfilled when what runs has come to its end. */
  close(): Promise<void>
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

function descriptorCache({ storage }: Config, peers: Peers | undefined): DescriptorCache {
  const { blobdescriptor, blobdescriptorsize, ttl } = storage.cache
  if (blobdescriptor === 'none') return NO_CACHE
  const cache = new MemoryDescriptorCache({ maxEntries: blobdescriptorsize, ttlMs: ttl })
  return peers === undefined ? cache : new SharedDescriptorCache({ cache, peers })
}

/** How long a server that has just started is left alone by its own maintenance. */
const FIRST_PURGE_DELAY_MS = 60_000

function purgesUploads({ storage: { maintenance } }: Config): boolean {
  return maintenance.uploadpurging.enabled && !maintenance.readonly.enabled
}

function schedulePurging(config: Config, registry: Registry, log: Log): Schedule | undefined {
  if (!purgesUploads(config)) return undefined
  const { uploadpurging } = config.storage.maintenance
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

function manifestPolicy({ validation: { disabled, manifests } }: Config): ManifestPolicy {
  if (disabled) return NO_VALIDATION
  const { platforms, platformlist } = manifests.indexes
  return { urls: manifests.urls, platforms: platforms === 'list' ? { list: platformlist } : platforms }
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
