/** Monitoring: `notifications`, `health`, `reporting`. Durations are milliseconds. */

import { z } from 'zod'
import { parseTcpAddress } from '../address.ts'
import { headers } from './http.ts'
import {
  duration,
  filledText,
  flag,
  integer,
  list,
  optionalSection,
  scalar,
  section,
  sectionOf,
  text,
  url,
} from './key.ts'

const SECOND = 1000

/** Required keys of an enabled endpoint. */
const ENDPOINT_NEEDS = [
  { key: 'name', error: 'a name for the endpoint' },
  { key: 'url', error: 'a URL such as https://example.com' },
] as const

const endpointKeys = z.strictObject({
  name: filledText('a name for the endpoint').or(''),
  disabled: flag().or(false),
  url: url().optional(),
  headers: headers(),
  timeout: duration().or(SECOND),
  /** Successive failures after which the endpoint pauses for `backoff`. */
  threshold: integer({ min: 0 }).or(10),
  backoff: duration().or(SECOND),
  ignoredmediatypes: list(text().required()),
  ignore: section({ mediatypes: list(text().required()), actions: list(text().required()) }),
})

const endpoint = sectionOf(
  ENDPOINT_NEEDS.reduce(
    (schema, { key, error }) =>
      schema.refine((found) => found.disabled || Boolean(found[key]), { path: [key], error }),
    endpointKeys,
  ),
)

export const notifications = section({
  events: section({ includereferences: flag().or(false) }),
  endpoints: list(endpoint),
})

const tcpAddress = scalar('host:port', (found) =>
  parseTcpAddress(String(found)) === undefined ? undefined : String(found),
)

const interval = () => duration().or(10 * SECOND)
/** Successive failures after which the check is unhealthy. */
const threshold = () => integer({ min: 0 }).or(0)

export const health = section({
  storagedriver: section({ enabled: flag().or(false), interval: interval(), threshold: threshold() }),
  file: list(
    section({
      file: filledText('the path of a file').required(),
      interval: interval(),
      threshold: threshold(),
    }),
  ),
  http: list(
    section({
      uri: url().required(),
      headers: headers(),
      statuscode: integer({ min: 0, max: 599 }).or(200),
      timeout: duration().optional(),
      interval: interval(),
      threshold: threshold(),
    }),
  ),
  tcp: list(
    section({
      addr: tcpAddress.required(),
      timeout: duration().optional(),
      interval: interval(),
      threshold: threshold(),
    }),
  ),
})

/** Removed in generation 3. */
export const reporting = section({
  bugsnag: optionalSection({ apikey: text().or(''), releasestage: text().or(''), endpoint: text().or('') }),
  newrelic: optionalSection({ licensekey: text().or(''), name: text().or(''), verbose: flag().or(false) }),
})
