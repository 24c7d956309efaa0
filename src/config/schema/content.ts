/** Accepted and listed content: `validation`, `catalog`, `tags`, `compatibility`. */

import { compileGoPattern } from '../go-pattern.ts'
import { choice, flag, integer, list, scalar, section, text } from './key.ts'

const pattern = scalar('a regular expression', (found) => compileGoPattern(String(found)))

const DEFAULT_PAGE = 1000

/** 0 means the default, like an absent key. */
function pageSize(min: number) {
  return integer({ min })
    .or(DEFAULT_PAGE)
    .transform((entries) => (entries > 0 ? entries : DEFAULT_PAGE))
}

export const catalog = section({ maxentries: pageSize(Number.MIN_SAFE_INTEGER) })
export const tags = section({ maxtags: pageSize(0) })

const manifests = section({
  /** A manifest with URLs is accepted if each matches one of `allow` and none of `deny`. */
  urls: section({ allow: list(pattern.required()), deny: list(pattern.required()) }),
  indexes: section({
    /** Platforms of an index whose manifests must exist. */
    platforms: choice('all', 'none', 'list').or('all'),
    platformlist: list(section({ architecture: text().or(''), os: text().or('') })),
  }),
})

export const validation = section({
  /** Deprecated; takes precedence over `disabled`. */
  enabled: flag().or(false),
  disabled: flag().or(false),
  manifests,
}).transform(({ enabled, disabled, manifests }) => ({ disabled: disabled && !enabled, manifests }))

/** Formats of earlier years. Distribution 3 has none of them. */
export const compatibility = section({
  /** True if Docker's schema 1 may be pushed. */
  schema1: section({ enabled: flag().or(false), signingkeyfile: text().or('') }),
  /** True if blobs may be pushed and pulled by TarSums, as in 2014 and 2015. */
  tarsum: section({ enabled: flag().or(false) }),
})
