/** Policies for what is stored: `policies`. */

import { z } from 'zod'
import { GLOB_FORM, isRepositoryGlob } from '../../core/access/repository-glob.ts'
import { flag, list, scalar, section, sectionOf } from './key.ts'

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

export const policies = section({ immutable })
