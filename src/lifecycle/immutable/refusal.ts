import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { Tag } from '../../core/reference.ts'
import type { ImmutableRule, TagRules } from './rules.ts'

/** The refusal to move a tag.
 *  @param digest of the manifest that it names */
export function cannotMove(tag: Tag, rule: ImmutableRule, digest: Digest): RegistryError {
  return new RegistryError('TAG_IMMUTABLE', {
    message: `the tag ${tag} names ${digest} and can't be moved: it is immutable by ${textOf(rule)}`,
    detail: { tag, digest, rule: detailOf(rule) },
  })
}

/** @throws RegistryError TAG_IMMUTABLE if a rule forbids to delete the tag */
export function requireDeletable(rules: TagRules, tag: Tag): void {
  const rule = rules.forbiddingDelete(tag)
  if (rule === undefined) return
  throw new RegistryError('TAG_IMMUTABLE', {
    message: `the tag ${tag} can't be deleted: it is immutable by ${textOf(rule)}`,
    detail: { tag, rule: detailOf(rule) },
  })
}

function textOf({ repositories, tags }: ImmutableRule): string {
  return `the rule for tags ${tags.join(', ')} in repositories ${repositories.join(', ')}`
}

function detailOf({ repositories, tags }: ImmutableRule) {
  return { repositories, tags }
}
