/** The schema of the configuration: every key of CNCF Distribution, of both generations, and Entrepot's own,
 *  with defaults. It is the only list of keys: variables and hints for mistyped keys are derived from it. */

import * as z from 'zod'
import { auth, policy } from './schema/access.ts'
import { catalogIndex } from './schema/catalog-index.ts'
import { catalog, compatibility, tags, validation } from './schema/content.ts'
import { http } from './schema/http.ts'
import { scalar } from './schema/key.ts'
import { log, logLevel } from './schema/log.ts'
import { middleware } from './schema/middleware.ts'
import { mirroring, mirrors, proxy } from './schema/mirrors.ts'
import { health, notifications, reporting } from './schema/operations.ts'
import { policies } from './schema/policies.ts'
import { redis } from './schema/redis.ts'
import { storage } from './schema/storage.ts'

export type { ConfigProblem, ConfigWarning } from './problems/problem.ts'

const VERSION = '0.1'
const version = scalar(VERSION, (found) => (String(found) === VERSION ? VERSION : undefined))

export const configSchema = z
  .strictObject({
    version: version.required(),
    log,
    /** Deprecated in favour of `log.level`. */
    loglevel: logLevel.optional(),
    storage,
    auth,
    middleware,
    reporting,
    http,
    notifications,
    redis,
    health,
    catalog,
    index: catalogIndex,
    tags,
    proxy,
    mirrors,
    mirroring,
    compatibility,
    validation,
    policy,
    policies,
  })
  .refine(({ auth, http }) => auth?.certificate === undefined || (http?.tls?.clientcas.length ?? 0) > 0, {
    path: ['auth', 'certificate'],
    when: ({ value }) => typeof value === 'object',
    error: 'found without http.tls.clientcas, which verify certificates; accepted: with them',
  })
  .refine(
    ({ http, storage }) => storage.inmemory === undefined || http.workers === 1 || http.workers === 'auto',
    { path: ['http', 'workers'], error: '1 or auto, because storage.inmemory belongs to one process' },
  )
  .refine(({ proxy, mirrors }) => proxy?.remoteurl === undefined || (mirrors ?? []).length === 0, {
    path: ['mirrors'],
    when: ({ value }) => typeof value === 'object',
    error: 'nothing beside proxy.remoteurl, which has all names',
  })
  .check(({ value: { middleware, storage }, issues }) => {
    for (const [index, { name, disabled }] of middleware.storage.entries()) {
      if (disabled || name !== 'cloudfront' || storage.s3 !== undefined) continue
      const path = ['middleware', 'storage', index, 'name']
      const message = 'found cloudfront, whose origin is a bucket; accepted: with storage.s3 only'
      issues.push({ code: 'custom', path, message, input: name })
    }
  })
  .refine(({ storage, redis }) => storage?.cache?.blobdescriptor !== 'redis' || hasAddress(redis), {
    path: ['redis'],
    when: ({ value }) => typeof value === 'object',
    error: 'a section with addr or addrs: storage.cache.blobdescriptor is redis',
  })
  .transform(({ loglevel, ...config }) => ({
    ...config,
    log: { ...config.log, level: config.log.level ?? loglevel ?? ('info' as const) },
    storage: { ...config.storage, cache: chosenCache(config.storage.cache, config.redis) },
  }))

/** Default: Redis if it is configured, otherwise memory. */
function chosenCache<Kind extends string, Rest>(
  { blobdescriptor, ...rest }: Rest & { blobdescriptor: Kind | undefined },
  redis: { addr?: string; addrs?: string[] } | undefined,
) {
  const byDefault = hasAddress(redis) ? ('redis' as const) : ('inmemory' as const)
  return { ...rest, blobdescriptor: blobdescriptor ?? byDefault }
}

/** Also works if the section has errors. */
function hasAddress(redis: { addr?: string; addrs?: string[] } | undefined): boolean {
  return Boolean(redis?.addr || redis?.addrs?.length)
}

/** A validated configuration with its defaults. Its keys are those of the file; durations are milliseconds,
 *  sizes are bytes. */
export type Config = z.output<typeof configSchema>
