/** The section `storage`: exactly one driver, and the settings for all drivers. */

import * as z from 'zod'
import { azure } from './azure.ts'
import {
  anything,
  choice,
  cronLine,
  duration,
  filledText,
  flag,
  integer,
  list,
  network,
  optionalSection,
  optionalSectionOf,
  section,
  sectionOf,
  size,
  table,
  text,
} from './key.ts'
import { s3 } from './s3.ts'

const MIB = 1024 ** 2
const KIB = 1024
const MIN_GCS_CHUNK_BYTES = 256 * KIB

const filesystem = optionalSection({
  rootdirectory: filledText('the path of a folder').or('/var/lib/registry'),
  /** A hint for the number of concurrent file operations. */
  maxthreads: integer().or(100),
  /** `auto` allows reading metadata on the event loop's thread. */
  quickcalls: choice('auto', 'never').or('auto'),
})

const gcs = optionalSectionOf(
  z
    .strictObject({
      bucket: filledText('the name of a bucket').required(),
      keyfile: text().or(''),
      /** A service account's key, with Google's keys. */
      credentials: table(anything()),
      rootdirectory: text().or(''),
      /** In bytes. */
      chunksize: size({ min: MIN_GCS_CHUNK_BYTES, minText: ', at least 256KiB' }).or(16 * MIB),
      maxconcurrency: integer({ min: 1 }).or(50),
      useragent: text().or(''),
    })
    .refine(({ keyfile, credentials }) => keyfile === '' || Object.keys(credentials).length === 0, {
      path: ['keyfile'],
      error: 'nothing beside storage.gcs.credentials',
    }),
)

const cacheKind = choice('inmemory', 'redis', 'none')

const cache = section({
  blobdescriptor: cacheKind.optional(),
  /** The name of `blobdescriptor` before Distribution 2. */
  layerinfo: cacheKind.optional(),
  /** Limit of descriptors in memory; 0 or less for no limit. */
  blobdescriptorsize: integer().or(10_000),
  /** Lifetime of an entry, in milliseconds. */
  ttl: duration().or(24 * 3_600_000),
  /** Memory for manifests and other small content, in bytes. */
  contentsize: size().or(64 * MIB),
}).transform(({ blobdescriptor, layerinfo, ...rest }) => ({
  blobdescriptor: blobdescriptor ?? layerinfo,
  ...rest,
}))

const maintenance = section({
  uploadpurging: section({
    enabled: flag().or(true),
    /** Age of uploads that are purged, in milliseconds. */
    age: duration().or(168 * 3_600_000),
    /** Interval of purges, in milliseconds. */
    interval: duration().or(24 * 3_600_000),
    dryrun: flag().or(false),
  }),
  readonly: section({ enabled: flag().or(false) }),
  gc: section({
    /** Must be true for all registries that serve the storage, or for none, because each takes part. */
    enabled: flag().or(false),
    /** A cron line; or `never`, then only the command collects. */
    schedule: cronLine().or('0 3 * * *'),
    /** Minimum age of a collected blob, and of its last push or mount, in milliseconds. */
    grace: duration().or(24 * 3_600_000),
    /** True to remove untagged manifests, unless an index or a subject keeps them. */
    untagged: flag().or(false),
    /** True if a registry that takes no part, such as CNCF Distribution, writes to the same storage: collected
     *  blobs are kept in quarantine for 30 days. */
    coexist: flag().or(false),
    /** Requests per second; 0 for no limit. */
    pace: integer({ min: 0 }).or(0),
  }).refine(({ coexist, untagged }) => !(coexist && untagged), {
    path: ['untagged'],
    error: 'false beside storage.maintenance.gc.coexist: a removed manifest is not kept in quarantine',
  }),
  scrub: section({
    enabled: flag().or(false),
    /** A cron line; or `never`, then only the command scrubs. */
    schedule: cronLine().or('0 5 * * 0'),
    /** Bytes per second; 0 for no limit. */
    pace: size().or(20 * MIB),
  }),
})

const DRIVERS = ['filesystem', 'inmemory', 's3', 's3aws', 'azure', 'gcs']
/** Drivers that generation 3 has removed, but which files still name. */
const REMOVED_DRIVERS = ['swift', 'oss']

const storageKeys = z
  .strictObject({
    filesystem,
    inmemory: optionalSection({}),
    s3: s3(),
    s3aws: s3(),
    azure,
    gcs,
    swift: table(anything()).optional(),
    oss: table(anything()).optional(),
    cache,
    delete: section({ enabled: flag().or(false) }),
    /** Memory of all transfers of a process, in bytes. */
    transfermemory: size({ min: 16 * MIB, minText: ', at least 16MiB' }).or(96 * MIB),
    redirect: section({
      disable: flag().or(false),
      /** Clients that are not redirected. */
      except: section({
        addresses: list(network().required()),
        /** `*` matches any text. */
        useragents: list(filledText('a user agent such as containerd/*').required()),
      }),
    }),
    tag: section({ concurrencylimit: integer({ min: 0 }).optional() }),
    maintenance,
  })
  .refine((found) => driversOf(found).length === 1, {
    when: ({ value }) => typeof value === 'object',
    error: ({ input }) =>
      `found ${driversOf(input).join(' and ') || 'no driver'}; accepted: exactly one of ${DRIVERS.join(', ')}`,
  })

/** The drivers that a `storage` section names. */
function driversOf(found: unknown): string[] {
  return [...DRIVERS, ...REMOVED_DRIVERS].filter(
    (driver) => (found as Record<string, unknown>)[driver] !== undefined,
  )
}

export const storage = sectionOf(storageKeys)
  .transform(({ s3aws, ...rest }) => ({
    ...rest,
    s3: rest.s3 ?? s3aws,
  }))
  .transform((section) => section as OneDriver<typeof section>)

/** The section with its one driver. Unsupported drivers are rejected before (`unsupported-keys.ts`). */
type OneDriver<S extends Partial<Record<ServedDriver, unknown>>> = Omit<S, ServedDriver | 'swift' | 'oss'> &
  {
    [Driver in ServedDriver]: { [Name in Driver]: NonNullable<S[Name]> } & {
      [Name in Exclude<ServedDriver, Driver>]?: undefined
    }
  }[ServedDriver]
type ServedDriver = 'filesystem' | 'inmemory' | 's3' | 'azure' | 'gcs'
