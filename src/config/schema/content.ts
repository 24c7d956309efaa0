/** Which content is taken and shown, and from where: `validation`, `catalog`, `tags`, `proxy`, `compatibility`. */

import { compileGoPattern } from '../go-pattern.ts'
import {
  choice,
  duration,
  filledText,
  flag,
  integer,
  list,
  optionalSection,
  scalar,
  section,
  text,
  url,
} from './key.ts'

const pattern = scalar('a regular expression', (found) => compileGoPattern(String(found)))

const DEFAULT_PAGE = 1000

/** 0 stands for the default, as an absent key does. */
function pageSize(min: number) {
  return integer({ min })
    .or(DEFAULT_PAGE)
    .transform((entries) => (entries > 0 ? entries : DEFAULT_PAGE))
}

export const catalog = section({ maxentries: pageSize(Number.MIN_SAFE_INTEGER) })
export const tags = section({ maxtags: pageSize(0) })

const manifests = section({
  /** A manifest that names URLs is taken if each matches one of `allow` and none of `deny`. */
  urls: section({ allow: list(pattern.required()), deny: list(pattern.required()) }),
  indexes: section({
    /** Whose manifests must be there before an index of them is taken. */
    platforms: choice('all', 'none', 'list').or('all'),
    platformlist: list(section({ architecture: text().or(''), os: text().or('') })),
  }),
})

export const validation = section({
  /** Deprecated; it overrules `disabled`. */
  enabled: flag().or(false),
  disabled: flag().or(false),
  manifests,
}).transform(({ enabled, disabled, manifests }) => ({ disabled: disabled && !enabled, manifests }))

export const proxy = section({
  remoteurl: url().optional(),
  username: text().or(''),
  password: text().or(''),
  /** Milliseconds; 0 to keep content for ever. */
  ttl: duration().or(168 * 3_600_000),
  exec: optionalSection({
    command: filledText('the name of a credential helper').required(),
    /** Milliseconds; 0 to ask each time, absent to ask once. */
    lifetime: duration().optional(),
  }),
  cachewritetimeout: duration().or(5 * 60_000),
})

/** Removed by generation 3. */
export const compatibility = section({
  /** Whether Docker's first kind of manifest may be pushed. */
  schema1: section({ enabled: flag().or(false), signingkeyfile: text().or('') }),
})
