/** Combinations of `auth` that are rejected, because one part would be ignored silently. */

const KINDS = ['silly', 'htpasswd', 'token', 'none']

export type Found = Readonly<Record<string, unknown>>

function kindsOf(found: Found): string[] {
  return KINDS.filter((kind) => found[kind] !== undefined)
}

/** Sections that would have no effect beside these kinds. */
const CONTRADICTIONS: Readonly<Record<string, readonly string[]>> = {
  issuer: ['silly', 'token', 'none'],
  oidc: ['silly', 'token', 'none'],
  robots: ['silly', 'token', 'none'],
  keys: ['silly', 'token', 'none'],
  certificate: ['silly', 'token', 'none'],
  rules: ['silly', 'token'],
  operators: ['silly', 'token'],
}

export interface Check {
  /** The key of the problem; the whole section if absent. */
  readonly key?: string
  readonly holds: (found: Found) => boolean
  readonly error: string | ((found: Found) => string)
}

const accessChecks: readonly Check[] = [
  {
    holds: (found) => kindsOf(found).length <= 1,
    error: (found) => `found ${kindsOf(found).join(' and ')}; accepted: one of ${KINDS.join(', ')}`,
  },
  ...Object.entries(CONTRADICTIONS).map(([key, kinds]) => ({
    key,
    // Empty rules have an effect too: nothing is allowed.
    holds: (found: Found) =>
      !(key === 'rules' || key === 'operators' ? found[key] !== undefined : isUsed(found[key])) ||
      !kinds.some((kind) => found[kind] !== undefined),
    error: `found beside ${kinds.join(', ')}, with which it has no effect; accepted: with ${
      kinds.includes('none') ? 'htpasswd, or without any of them' : 'htpasswd or none'
    }`,
  })),
  {
    key: 'issuer',
    holds: ({ issuer, htpasswd, robots, keys, oidc }) =>
      issuer === undefined || [htpasswd, robots, keys, oidc].some(isUsed),
    error: 'found without accounts; accepted: with htpasswd, robots, keys or oidc',
  },
  {
    key: 'oidc',
    holds: ({ issuer, oidc }) => !isUsed(oidc) || issuer !== undefined,
    error: 'found without auth.issuer, where its tokens are exchanged; accepted: with auth.issuer',
  },
  {
    key: 'oidc',
    holds: ({ oidc, rules }) => rules !== undefined || isRestricted(oidc),
    error:
      'found without auth.rules: all jobs of all users of the platform could do everything; accepted: with rules, or with claims.require',
  },
  {
    key: 'oidc',
    holds: ({ oidc }) => isDifferent(oidc, 'issuer'),
    error: 'found the same issuer twice; accepted: each once',
  },
  {
    key: 'oidc',
    holds: ({ oidc }) => isDifferent(oidc, 'prefix'),
    error: 'found the same prefix twice, which would mix up users; accepted: different prefixes',
  },
]

/** The same of people who log in by identity providers, and of their keys. */
const loginChecks: readonly Check[] = [
  {
    key: 'keys',
    holds: ({ keys, htpasswd, login }) =>
      keys === undefined || htpasswd !== undefined || providersOf(login).length > 0,
    error: 'found without people who could make keys; accepted: with htpasswd or login.oidc',
  },
  {
    key: 'login',
    holds: ({ login, silly, token, none }) =>
      providersOf(login).length === 0 || [silly, token, none].every((part) => part === undefined),
    error: 'found beside silly, token, none, with which it has no effect; accepted: with htpasswd or none',
  },
  {
    key: 'login',
    holds: ({ login, rules }) => rules !== undefined || isRestricted(providersOf(login)),
    error:
      'found oidc without auth.rules: all people of the provider could do everything; accepted: with rules, or with claims.require',
  },
  {
    key: 'login',
    holds: ({ login, oidc }) => isDifferent([...providersOf(login), ...providersOf({ oidc })], 'prefix'),
    error: 'found the same prefix twice, which would mix up users; accepted: different prefixes',
  },
  {
    key: 'login',
    holds: ({ login }) => isDifferent(providersOf(login), 'id'),
    error: 'found the same id twice; accepted: different ids',
  },
]

function providersOf(login: unknown): unknown[] {
  const oidc = (login as { oidc?: unknown } | undefined)?.oidc
  return Array.isArray(oidc) ? oidc : []
}

export function isUsed(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined
}

/** True if no entry accepts the jobs of all the platform's users. */
function isRestricted(entries: unknown): boolean {
  if (!Array.isArray(entries)) return true
  return entries.every((entry) => Object.keys(entry?.claims?.require ?? {}).length > 0)
}

function isDifferent(entries: unknown, key: string): boolean {
  if (!Array.isArray(entries)) return true
  const values = entries.map((entry) => (entry as Found | undefined)?.[key])
  return new Set(values).size === values.length
}

export const checks: readonly Check[] = [...accessChecks, ...loginChecks]
