import { type Digest, isDigest } from '../../core/digest.ts'
import type { Repository, TagEntry } from '../../core/registry.ts'
import type { Verdict } from './decide.ts'
import type { RepositoryRule } from './rules.ts'

/** `sha256-<hex>`, `sha256-<hex>.sig`, `….att`, `….sbom`: the referrers tag of OCI Distribution Specification 1.1, and
 *  what cosign and others call signatures. */
const FOLLOWER = /^(sha256|sha512)-([0-9a-f]{64}|[0-9a-f]{128})(?:\.[\w.-]+)?$/

/** How old a follower without a subject must be: copies of images may push it first. */
const MIN_AGE_MS = 24 * 3_600_000

/** The manifest that the tag follows, by its name. Undefined for any other tag. */
export function subjectOf({ tag }: TagEntry): Digest | undefined {
  const [, algorithm, hex] = FOLLOWER.exec(tag) ?? []
  const digest = `${algorithm}:${hex}`
  return isDigest(digest) ? digest : undefined
}

export interface FollowerOptions {
  readonly repository: Repository
  readonly rules: readonly RepositoryRule[]
  readonly now: Date
}

/** Decides about a tag that follows a manifest: it stays as long as the repository has the manifest. */
export async function decideFollower(
  entry: TagEntry,
  subject: Digest,
  { repository, rules, now }: FollowerOptions,
): Promise<Verdict> {
  const rule = rules.find((one) => one.rule.delete !== undefined)?.index
  const isOld = now.getTime() - entry.setAt.getTime() >= MIN_AGE_MS
  if (rule === undefined || !isOld || (await repository.manifests.exists(subject)))
    return { entry, action: 'keep', rule: undefined, reason: `it follows ${subject}` }
  return { entry, action: 'remove', rule, reason: `${subject}, which it follows, is gone` }
}
