/** Maps the configuration to the settings of the registry's parts. */
import type { Config } from '../config/schema.ts'
import { type ManifestPolicy, NO_VALIDATION } from '../core/manifest/policy.ts'
import type { TlsSettings } from '../http/connection/tls-settings.ts'
import { Redirects } from '../http/reply/redirects.ts'
import { defaultLimits, type HttpSettings } from '../http/settings.ts'
import { networkList } from '../lib/networks.ts'
import type { Certificates } from '../tls/certificates.ts'

export function manifestPolicy({
  validation: { disabled, manifests },
  compatibility: {
    schema1: { enabled: schema1 },
    tarsum: { enabled: tarSums },
  },
}: Config): ManifestPolicy {
  if (disabled) return { ...NO_VALIDATION, schema1, tarSums }
  const { platforms, platformlist } = manifests.indexes
  return {
    urls: manifests.urls,
    platforms: platforms === 'list' ? { list: platformlist } : platforms,
    schema1,
    tarSums,
  }
}

export function httpSettings({ http, storage, log, catalog, tags, compatibility }: Config): HttpSettings {
  return {
    prefix: http.prefix,
    publicUrl: http.host,
    relativeUrls: http.relativeurls,
    trustedProxies: networkList(http.trustedproxies),
    extraHeaders: lowerCaseNames(http.headers),
    deleteEnabled: storage.delete.enabled,
    readOnly: storage.maintenance.readonly.enabled,
    redirects: redirects(storage.redirect),
    tarSums: compatibility.tarsum.enabled,
    maxCatalogEntries: catalog.maxentries,
    maxTags: tags.maxtags,
    accessLog: !log.accesslog.disabled && (log.level === 'info' || log.level === 'debug'),
    h2c: http.h2c.enabled,
    requestsPerSecond: http.limits.requestspersecond,
    limits: { ...defaultLimits, keepAliveSeconds: http.idletimeout / 1000 },
  }
}

export function tlsSettings({ tls, http2 }: Config['http'], certificates: Certificates): TlsSettings {
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

/** Lower-cased, because headers that differ in case only would be sent twice. */
function lowerCaseNames(headers: Config['http']['headers']): Record<string, string[]> {
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name.toLowerCase(), values]))
}

function redirects({ disable, except }: Config['storage']['redirect']): Redirects | undefined {
  return disable ? undefined : new Redirects({ addresses: except.addresses, userAgents: except.useragents })
}

/** True if somebody is to be told of events. */
export function isNotifying({ notifications }: Config): boolean {
  return notifications.endpoints.some(({ disabled }) => !disabled)
}

/** True if it is counted what repositories take up. */
export function countsUsage({ policies }: Config): boolean {
  return policies.usage.enabled || policies.quotas.length > 0
}

/** True if decorators of the registry ask for whom a change is made. */
export function needsScope(config: Config): boolean {
  return isNotifying(config) || config.policies.history.enabled
}

/** True if the catalog is indexed: by default over a folder. */
export function isIndexed({ index, storage }: Config): boolean {
  return index.enabled ?? storage.filesystem !== undefined
}
