import { hasUpperCase } from '../core/access/repository-glob.ts'
import type { Log } from '../core/log.ts'
import { nearest } from '../lib/nearest.ts'
import type { OidcSettings } from './issuer/oidc.ts'
import { ROBOT_PREFIX } from './robots/robots-file.ts'
import { GROUP_PREFIX, KEYWORDS, type RuleSet } from './rules.ts'

/** The rules, and the parts of `auth` that define identities. */
export interface RuledAccess extends RuleSet {
  readonly oidc: readonly OidcSettings[]
  readonly login?: { readonly oidc: readonly { readonly prefix: string }[] } | undefined
  readonly robots?: object | undefined
  readonly certificate?: object | undefined
}

export interface RuleWarning {
  /** The configuration key: `auth.rules[0].who[1]`. */
  readonly key: string
  readonly message: string
}

/** Limit of warnings. */
const MAX_WARNINGS = 100

/** Logs rules and groups that can never apply. */
export function logRuleWarnings(settings: RuledAccess, isUser: (name: string) => boolean, log: Log): void {
  for (const { key, message } of ruleWarnings(settings, isUser)) log.warn({ key }, message)
}

/** Rules and groups that can never apply and are probably mistakes. Only warnings: the user may be added to
 *  the file later.
 *  @param isUser true if the file of users has the name */
export function ruleWarnings(settings: RuledAccess, isUser: (name: string) => boolean): RuleWarning[] {
  return [...allWarnings(settings, isUser)].slice(0, MAX_WARNINGS)
}

function* allWarnings(settings: RuledAccess, isUser: (name: string) => boolean): Generator<RuleWarning> {
  for (const [index, { repositories, who }] of (settings.rules ?? []).entries()) {
    for (const [at, glob] of repositories.entries()) {
      if (!hasUpperCase(glob)) continue
      const message = `${glob} has upper-case letters, so it matches no repository`
      yield { key: `auth.rules[${index}].repositories[${at}]`, message }
    }
    for (const [at, name] of who.entries()) {
      const message = objectionTo(name, settings, isUser)
      if (message !== undefined) yield { key: `auth.rules[${index}].who[${at}]`, message }
    }
  }
  for (const [at, name] of (settings.operators ?? []).entries()) {
    const message = objectionTo(name, settings, isUser)
    if (message !== undefined) yield { key: `auth.operators[${at}]`, message }
  }
  for (const [group, users] of Object.entries(settings.groups)) {
    for (const [at, name] of users.entries()) {
      const message = objectionToUser(name, settings, isUser)
      if (message !== undefined) yield { key: `auth.groups.${group}[${at}]`, message }
    }
  }
}

function objectionTo(
  who: string,
  settings: RuledAccess,
  isUser: (name: string) => boolean,
): string | undefined {
  if (KEYWORDS.includes(who)) return undefined
  if (!who.startsWith(GROUP_PREFIX)) return objectionToUser(who, settings, isUser)
  const group = who.slice(GROUP_PREFIX.length)
  const { groups, oidc, login } = settings
  const isOfPlatform = oidc.some(({ prefix, claims }) => claims.groups.length > 0 && group.startsWith(prefix))
  const isOfPeople = login?.oidc.some(({ prefix }) => group.startsWith(prefix)) === true
  if (Object.hasOwn(groups, group) || isOfPlatform || isOfPeople) return undefined
  return `there is no group ${group}${hint(nearest(group, Object.keys(groups)))}`
}

function objectionToUser(
  name: string,
  { robots, oidc, login, certificate }: RuledAccess,
  isUser: (name: string) => boolean,
): string | undefined {
  const providers = [...oidc, ...(login?.oidc ?? [])]
  if (isUser(name) || providers.some(({ prefix }) => name.startsWith(prefix))) return undefined
  const keyword = nearest(name, KEYWORDS)
  if (keyword !== undefined) return `there is no user ${name}${hint(keyword)}`
  if (robots !== undefined && name.startsWith(ROBOT_PREFIX))
    return `${name} is a robot, whose own permissions apply instead of rules`
  // A certificate may have any name.
  return certificate === undefined ? `there is no user ${name}` : undefined
}

function hint(meant: string | undefined): string {
  return meant === undefined ? '' : `; did you mean ${meant}?`
}
