/** The index of the catalog: `index`. */

import * as z from 'zod'
import { choice, duration, flag, sectionOf, text } from './key.ts'

const keys = z
  .strictObject({
    /** Default: true over a folder, false over a bucket, where sweeps cost requests. */
    enabled: flag().optional(),
    driver: choice('sqlite', 'postgres').or('sqlite'),
    /** SQLite's file, on a local disk. Default: in the folder for temporary files. */
    path: text().or(''),
    /** PostgreSQL's address, such as `postgres://user:password@host/database`. */
    url: text().or(''),
    /** Between two comparisons with all of storage. */
    sweep: duration({ min: 1_000, minText: ', 1s or more' }).or(10 * 60_000),
    /** Between two listings of the changes that replicas without Redis announce on storage. 0: there is no other replica. */
    poll: duration().or(400),
  })
  .refine(({ driver, url }) => driver !== 'postgres' || /^postgres(?:ql)?:\/\//.test(String(url)), {
    path: ['url'],
    when: ({ value }) => typeof value === 'object' && value !== null,
    error: 'a URL such as postgres://user:password@host/database, because index.driver is postgres',
  })

export const catalogIndex = sectionOf(keys)
