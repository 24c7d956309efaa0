/** `storage`: exactly one driver, and what holds for any of them. */

import { z } from 'zod'
import { type CronTime, parseCron } from '../../lib/cron.ts'
import { azure } from './azure.ts'
import {
  anything,
  choice,
  duration,
  filledText,
  flag,
  integer,
  list,
  network,
  optionalSection,
  optionalSectionOf,
  scalar,
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
  /** A hint how many files may be worked on at once. */
  maxthreads: integer().or(100),
  /** Whether metadata may be read on the thread of the event loop. */
  quickcalls: choice('auto', 'never').or('auto'),
})

const gcs = optionalSectionOf(
  z
    .strictObject({
      bucket: filledText('the name of a bucket').required(),
      keyfile: text().or(''),
      /** A service account's key, in Google's own words. */
      credentials: table(anything()),
      rootdirectory: text().or(''),
      /** Bytes. */
      chunksize: size({ min: MIN_GCS_CHUNK_BYTES, minText: ', at least 256KiB' }).or(16 * MIB),
      maxconcurrency: integer({ min: 1 }).or(50),
      useragent: text().or(''),
    })
    .refine(({ keyfile, credentials }) => keyfile === '' || Object.keys(credentials).length === 0, {
      path: ['keyfile'],
      error: 'nothing where storage.gcs.credentials holds a key already',
    }),
)

const NEVER = 'never'

const cacheKind = choice('inmemory', 'redis', 'none')

const cache = section({
  blobdescriptor: cacheKind.optional(),
  /** What `blobdescriptor` was called before Distribution 2. */
  layerinfo: cacheKind.optional(),
  /** How many descriptors the cache in memory holds; 0 or less for as many as come. */
  blobdescriptorsize: integer().or(10_000),
  /** Milliseconds that an entry lives at most. */
  ttl: duration().or(24 * 3_600_000),
  /** Bytes of manifests and other small content that are kept in memory. */
  contentsize: size().or(64 * MIB),
}).transform(({ blobdescriptor, layerinfo, ...rest }) => ({
  blobdescriptor: blobdescriptor ?? layerinfo,
  ...rest,
}))

const maintenance = section({
  uploadpurging: section({
    enabled: flag().or(true),
    /** Milliseconds since an upload began. */
    age: duration().or(168 * 3_600_000),
    /** Milliseconds between two purges. */
    interval: duration().or(24 * 3_600_000),
    dryrun: flag().or(false),
  }),
  readonly: section({ enabled: flag().or(false) }),
  gc: section({
    /** True for every registry that serves the storage, or none: each has its part in it. */
    enabled: flag().or(false),
    /** When, as cron has it, or never: then only by the command. */
    schedule: scalar('five fields of cron such as "0 3 * * *", or never', (found) =>
      found === NEVER || parseCron(String(found)) !== undefined ? String(found) : undefined,
    ).or('0 3 * * *'),
    /** Milliseconds that a blob must be old, and its last push or mount. */
    grace: duration().or(24 * 3_600_000),
    /** Requests a second; 0 for as many as go. */
    pace: integer({ min: 0 }).or(0),
  }),
})

/** Undefined for never. */
export function readCron(schedule: string): CronTime | undefined {
  return schedule === NEVER ? undefined : parseCron(schedule)
}

const DRIVERS = ['filesystem', 'inmemory', 's3', 's3aws', 'azure', 'gcs']
/** Drivers that generation 3 removed, still met in files. */
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
    /** Bytes that the transfers of a process hold together. */
    transfermemory: size({ min: 16 * MIB, minText: ', at least 16MiB' }).or(96 * MIB),
    redirect: section({
      disable: flag().or(false),
      /** Clients whom blobs are sent to all the same. */
      except: section({
        addresses: list(network().required()),
        /** `*` stands for any text. */
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

/** A section with the one driver it has. Those that are not served are refused before it gets here (`support.ts`). */
type OneDriver<S extends Partial<Record<ServedDriver, unknown>>> = Omit<S, ServedDriver | 'swift' | 'oss'> &
  {
    [Driver in ServedDriver]: { [Name in Driver]: NonNullable<S[Name]> } & {
      [Name in Exclude<ServedDriver, Driver>]?: undefined
    }
  }[ServedDriver]
type ServedDriver = 'filesystem' | 'inmemory' | 's3' | 'azure' | 'gcs'
