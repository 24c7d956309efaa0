/** Which content is taken and shown, and from where: `validation`, `catalog`, `tags`, `compatibility`. */

import { compileGoPattern } from '../go-pattern.ts'
import { choice, flag, integer, list, scalar, section, text } from './key.ts'

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

/** Removed by generation 3. */
export const compatibility = section({
  /** Whether Docker's first kind of manifest may be pushed. */
  schema1: section({ enabled: flag().or(false), signingkeyfile: text().or('') }),
})
