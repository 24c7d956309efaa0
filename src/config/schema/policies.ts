/** Policies for what is stored: `policies`. */

import * as z from 'zod'
import { GLOB_FORM, isRepositoryGlob } from '../../core/access/repository-glob.ts'
import {
  cronLine,
  duration,
  filledText,
  flag,
  integer,
  list,
  optionalSectionOf,
  scalar,
  section,
  sectionOf,
  size,
} from './key.ts'

const glob = scalar(GLOB_FORM, (found) => (isRepositoryGlob(String(found)) ? String(found) : undefined))

const MAX_PATTERN_LENGTH = 4096
const PATTERN_FORM = `a tag, or a pattern such as v* or !(latest|edge), of up to ${MAX_PATTERN_LENGTH} characters`

/** A slash would match no tag. */
const tagPattern = scalar(PATTERN_FORM, (found) => {
  const text = String(found)
  return text !== '' && text.length <= MAX_PATTERN_LENGTH && !text.includes('/') ? text : undefined
})

/** Which tags of which repositories a rule is for. Without `tags` it is for all. */
const selection = {
  repositories: list(glob.required()),
  tags: list(tagPattern.required()).transform((tags) => (tags.length > 0 ? tags : ['*'])),
}

const NO_REPOSITORIES = {
  path: ['repositories'],
  when: ({ value }: { value: unknown }) => typeof value === 'object' && value !== null,
  error: GLOB_FORM,
}

function isUsed(found: unknown): boolean {
  return !Array.isArray(found) || found.length > 0
}

const immutable = list(
  sectionOf(
    z
      .strictObject({
        ...selection,
        /** True if clients may delete such a tag, and then set it anew. */
        deletable: flag().or(false),
        /** True if retention may remove such a tag. */
        expirable: flag().or(false),
      })
      .refine(({ repositories }) => isUsed(repositories), NO_REPOSITORIES),
  ),
)

const KEEP_FORM = 'always, newest, youngerthan or pulledwithin'

const keep = optionalSectionOf(
  z
    .strictObject({
      always: flag().or(false),
      /** How many of the tags that were set last, for each pattern of `tags`. */
      newest: integer({ min: 1 }).optional(),
      /** Milliseconds since a tag was set. */
      youngerthan: duration().optional(),
      /** Milliseconds since its image was pulled last. */
      pulledwithin: duration().optional(),
    })
    .refine(
      ({ always, newest, youngerthan, pulledwithin }) =>
        always || newest !== undefined || youngerthan !== undefined || pulledwithin !== undefined,
      { error: KEEP_FORM },
    ),
)

const retentionRule = sectionOf(
  z
    .strictObject({
      ...selection,
      keep,
      delete: optionalSectionOf(
        z.strictObject({
          /** Milliseconds since a tag was set. */
          olderthan: duration().required(),
        }),
      ),
    })
    .refine(({ repositories }) => isUsed(repositories), NO_REPOSITORIES)
    .refine((rule) => rule.keep !== undefined || rule.delete !== undefined, {
      when: NO_REPOSITORIES.when,
      error: `keep (${KEEP_FORM}), delete (olderthan), or both`,
    }),
)

const retention = section({
  /** A cron line; or `never`, then only the command removes tags. */
  schedule: cronLine().or('0 4 * * *'),
  /** True if the schedule only logs what it would remove. */
  dryrun: flag().or(false),
  rules: list(retentionRule),
})

const DAY_MS = 24 * 3_600_000

const history = section({
  /** True if changes of tags are recorded, and deletions can be undone. */
  enabled: flag().or(false),
  /** For how long garbage collection keeps what was deleted, in milliseconds. */
  window: duration().or(14 * DAY_MS),
  /** For how long it keeps what a tag named before it was moved, in milliseconds. Default: `window`. */
  movedwindow: duration().optional(),
  /** How many changes are kept for each tag. */
  entries: integer({ min: 1 }).or(100),
  /** For how long changes are kept, in milliseconds. */
  age: duration().or(365 * DAY_MS),
})

const pulls = section({
  /** True if it is recorded when manifests are pulled, and how often. */
  enabled: flag().or(false),
  /** Between two writes of a process, in milliseconds. */
  interval: duration({ min: 1_000, minText: ', at least 1s' }).or(5 * 60_000),
  /** Users whose pulls do not count. */
  except: list(filledText().required()),
})

const usage = section({
  /** True if it is counted what repositories take up. Quotas do so in any case. */
  enabled: flag().or(false),
})

const LIMIT_FORM = 'bytes, tags, or both'
const WHOSE_FORM = 'either repositories or organisation'

const quotas = list(
  sectionOf(
    z
      .strictObject({
        /** Each of them has the limits by itself. */
        repositories: list(glob.required()),
        /** All repositories of the organisation have the limits together. */
        organisation: glob.optional(),
        bytes: size().optional(),
        tags: integer({ min: 0 }).optional(),
      })
      .refine((rule) => rule.repositories.length > 0 !== (rule.organisation !== undefined), {
        error: WHOSE_FORM,
      })
      .refine(({ bytes, tags }) => bytes !== undefined || tags !== undefined, { error: LIMIT_FORM })
      .transform(({ repositories, ...rule }) => ({
        ...rule,
        repositories: repositories.length > 0 ? repositories : undefined,
      })),
  ),
)

export const policies = section({ immutable, retention, history, pulls, usage, quotas })
