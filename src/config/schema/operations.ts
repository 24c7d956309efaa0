/** Monitoring: `notifications`, `health`, `reporting`. Durations are milliseconds. */

import * as z from 'zod'
import { GLOB_FORM, isRepositoryGlob } from '../../core/access/repository-glob.ts'
import { parseWebhookSecret } from '../../core/notifications/webhook-secret.ts'
import { parseTcpAddress } from '../address.ts'
import { headers } from './http.ts'
import {
  choice,
  duration,
  filledText,
  flag,
  integer,
  list,
  network,
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

const FORMATS = ['distribution3', 'distribution2', 'cloudevents', 'cloudevents-binary'] as const
const EVENT_ACTIONS = ['push', 'pull', 'mount', 'delete'] as const
const DAY = 24 * 3_600 * SECOND

const secret = scalar(
  'a secret of 24 to 64 bytes in base64, such as openssl rand -base64 32 makes',
  (found) => (parseWebhookSecret(String(found)) === undefined ? undefined : String(found)),
)

const repositoryGlob = scalar(GLOB_FORM, (found) =>
  isRepositoryGlob(String(found)) ? String(found) : undefined,
)

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
  /** Format of events: that of either generation of Distribution, or CloudEvents 1.0. */
  format: choice(...FORMATS).or('distribution3'),
  /** Only these; absent: all. */
  repositories: list(repositoryGlob.required()),
  actions: list(choice(...EVENT_ACTIONS).required()),
  mediatypes: list(text().required()),
  /** By which events are signed as the Standard Webhooks specification has it; several while they are changed. */
  secrets: list(secret.required()),
  /** Files with a secret a line. */
  secretfiles: list(filledText('the path of a file').required()),
  /** Files of certificates that are trusted, instead of the system's. */
  rootcas: list(filledText('the path of a file').required()),
  /** Private networks that a public name may lead to. */
  privatenetworks: list(network().required()),
  /** The longest pause between two attempts. */
  maxbackoff: duration().or(60 * SECOND),
  /** Age at which an undelivered event is dropped. */
  deadletterafter: duration().or(7 * DAY),
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
  outbox: section({
    /** Handling of a change whose event can't be stored. */
    onfailure: choice('refuse', 'accept').or('refuse'),
    /** Time for which delivered events are kept for a replay. */
    retention: duration().or(DAY),
  }),
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
