import { globMatcher } from '../../core/access/repository-glob.ts'
import { RegistryError } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { organisationOf } from './count.ts'

/** One entry of `policies.quotas`. It has either repositories, each of which has the limits by itself, or an organisation. */
export interface QuotaRule {
  /** Globs. */
  readonly repositories?: readonly string[] | undefined
  /** A name or a glob: the limits are those of all its repositories together. */
  readonly organisation?: string | undefined
  readonly bytes?: number | undefined
  readonly tags?: number | undefined
}

/** What a limit is about. */
export interface Scope {
  readonly kind: 'repository' | 'organisation'
  readonly name: string
}

/** The limits of a repository, or of its organisation. */
export interface Limit {
  readonly scope: Scope
  readonly bytes: number | undefined
  readonly tags: number | undefined
}

/** Finds the limits of a repository. */
export class QuotaRules {
  readonly #rules: readonly { readonly rule: QuotaRule; readonly matches: (name: string) => boolean }[]

  constructor(rules: readonly QuotaRule[]) {
    this.#rules = rules.map((rule) => ({
      rule,
      matches: globMatcher(rule.repositories ?? [rule.organisation ?? '']),
    }))
  }

  /** All of them hold. */
  of(repository: RepositoryName): Limit[] {
    return this.#rules.flatMap(({ rule: { organisation, bytes, tags }, matches }) => {
      const kind = organisation === undefined ? 'repository' : 'organisation'
      const name = kind === 'repository' ? repository : organisationOf(repository)
      return matches(name) ? [{ scope: { kind, name }, bytes, tags }] : []
    })
  }
}

/** The refusal of a push. */
export function overQuota(
  { kind, name }: Scope,
  what: 'bytes' | 'tags',
  { used, limit, requested }: { used: number; limit: number; requested: number },
): RegistryError {
  const text = (count: number) => (what === 'bytes' ? sizeText(count) : `${count}`)
  const unit = what === 'bytes' ? '' : ' tags'
  return new RegistryError('DENIED', {
    message: `the quota of the ${kind} ${name} does not suffice: ${text(used)} of ${text(limit)}${unit} used, ${text(requested)} more asked for`,
    detail: { quota: { kind, name, what, used, limit, requested } },
  })
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

function sizeText(bytes: number): string {
  let unit = 0
  let value = bytes
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`
}
