/** Access control: `auth` and `policy`. Durations are milliseconds. */

import * as z from 'zod'
import { GLOB_FORM, isRepositoryGlob } from '../../core/access/repository-glob.ts'
import { checks, type Found, isUsed } from './access-checks.ts'
import {
  choice,
  duration,
  filledText,
  flag,
  list,
  optionalSection,
  scalar,
  section,
  sectionOf,
  table,
  text,
  url,
} from './key.ts'

const realm = () => filledText('the realm sent to clients').required()
const service = () => filledText('the name of the service').required()
const filePath = () => filledText('the path of a file').required()

const RSA_AND_CURVES = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
]
/** Symmetric algorithms, which Distribution lists too, but which public keys can't verify. */
const SECRET_KEY = ['HS256', 'HS384', 'HS512']

const algorithm = scalar([...RSA_AND_CURVES, ...SECRET_KEY].join(', '), (found) =>
  [...RSA_AND_CURVES, ...SECRET_KEY].find((name) => name === found),
)

const token = z.preprocess(
  (found) => (found === null ? {} : found),
  z
    .strictObject({
      realm: realm(),
      service: service(),
      issuer: filledText('the name of the issuer, as in its tokens').required(),
      rootcertbundle: text().or(''),
      jwks: text().or(''),
      /** JWS algorithms; empty for all supported ones. */
      signingalgorithms: list(algorithm.required()),
      autoredirect: flag().or(false),
      autoredirectpath: text().or('/auth/token'),
    })
    .refine(({ rootcertbundle, jwks }) => rootcertbundle !== '' || jwks !== '', {
      when: isMap,
      error: 'found no key that tokens could be signed with; accepted: rootcertbundle, jwks or both',
    })
    .refine(({ signingalgorithms }) => isEmptyOrServed(signingalgorithms), {
      path: ['signingalgorithms'],
      when: isMap,
      error: `found algorithms with a secret key only; accepted: ${RSA_AND_CURVES.join(', ')}`,
    })
    .transform((found) => ({
      ...found,
      signingalgorithms: found.signingalgorithms.filter((name) => RSA_AND_CURVES.includes(name)),
    }))
    .optional(),
)

function isEmptyOrServed(algorithms: unknown): boolean {
  if (!Array.isArray(algorithms) || algorithms.length === 0) return true
  return algorithms.some((name) => !SECRET_KEY.includes(name))
}

const DAY = 24 * 60 * 60 * 1000
const MONTH = 30 * DAY

/** The built-in token issuer. */
const issuer = optionalSection({
  /** The URL of `/auth/token`, if clients need another one than that of their request. */
  realm: url().optional(),
  service: filledText('the name of the service').or('entrepot'),
  issuer: filledText('the name of the issuer').or('entrepot'),
  keys: filePath(),
  rotation: duration({ min: 60_000, minText: ', 1m or more' }).or(MONTH),
})

/** OpenID Connect Discovery requires TLS, except on this machine. */
const issuerUrl = scalar('a URL with https, such as https://gitlab.example.com', (found) => {
  if (!URL.canParse(String(found))) return undefined
  const { protocol, hostname } = new URL(String(found))
  const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLocal) ? String(found) : undefined
})

/** Ends with a colon, which users of an htpasswd file can't have, so names never collide. */
const prefix = scalar('text that ends with a colon, such as ci:', (found) =>
  /^[^\s:]+:$/.test(String(found)) ? String(found) : undefined,
)

const claim = () => filledText('the name of a claim')

const oidc = list(
  section({
    issuer: issuerUrl.required(),
    audience: filledText('the audience of its tokens').required(),
    /** Prefix of the names of its users and groups. */
    prefix: prefix.or('oidc:'),
    claims: section({
      user: claim().or('sub'),
      groups: list(claim().required()),
      /** Required values of claims. */
      require: table(filledText('the required value of the claim').required()),
    }),
  }),
)

/** Login of people with a browser. */
const login = section({
  /** Lifetime of a session. */
  session: duration({ min: 60_000, minText: ', 1m or more' }).or(12 * 60 * 60 * 1000),
  /** Identity providers, by OpenID Connect. */
  oidc: list(
    section({
      /** Part of URLs. */
      id: scalar('a word such as keycloak', (found) =>
        /^[a-z0-9][a-z0-9_-]{0,31}$/.test(String(found)) ? String(found) : undefined,
      ).or('oidc'),
      /** For people. Default: the host of the issuer. */
      name: text().or(''),
      issuer: issuerUrl.required(),
      clientid: filledText('the identifier of the registry at the provider').required(),
      clientsecret: filledText('the secret of the registry at the provider').required(),
      /** Beside `openid`. */
      scopes: list(filledText('a scope').required()).transform((found) =>
        found.length > 0 ? found : ['profile', 'email'],
      ),
      prefix: prefix.or('oidc:'),
      claims: section({
        user: claim().or('sub'),
        groups: list(claim().required()),
        require: table(filledText('the required value of the claim').required()),
      }),
    }),
  ),
})

const glob = scalar(GLOB_FORM, (found) => (isRepositoryGlob(String(found)) ? String(found) : undefined))

const who = 'a user, group:<name>, authenticated or anonymous'

/** A rule without subjects or repositories is rejected, because it would never apply. */
const rule = sectionOf(
  z
    .strictObject({
      repositories: list(glob.required()),
      who: list(filledText(who).required()),
      /** Empty: no action. */
      actions: list(choice('pull', 'push', 'delete', 'tag', '*').required()),
    })
    .refine((found) => isUsed(found.repositories), {
      path: ['repositories'],
      when: isMap,
      error: GLOB_FORM,
    })
    .refine((found) => isUsed(found.who), { path: ['who'], when: isMap, error: who }),
)

/** Absent: authenticated identities may do everything. Empty: nothing is allowed. */
const rules = z.preprocess((found) => (found === null ? [] : found), z.array(rule).optional())

function isMap({ value }: { value: unknown }): boolean {
  return typeof value === 'object' && value !== null
}

const authKeys = z.strictObject({
  silly: optionalSection({ realm: realm(), service: service() }),
  htpasswd: optionalSection({ realm: realm(), path: filePath() }),
  token,
  none: optionalSection({}),
  issuer,
  oidc,
  login,
  robots: optionalSection({ path: filePath() }),
  /** Keys that people make for the command line. */
  keys: optionalSection({
    /** The longest that a key may be good for. */
    lifetime: duration({ min: DAY, minText: ', 24h or more' }).or(365 * DAY),
  }),
  /** Users by client certificates of `http.tls.clientcas`: the part that is the user's name. */
  certificate: optionalSection({
    user: choice('commonname', 'subject', 'dns', 'email', 'uri').or('commonname'),
  }),
  rules,
  /** Who may see how the registry is. Absent: authenticated identities, if there are no rules. */
  operators: z.preprocess(
    (found) => (found === null ? [] : found),
    z.array(filledText(who).required()).optional(),
  ),
  /** The users of each group. */
  groups: table(list(filledText('the name of a user').required())),
  /** The audit log: `stdout`, or a file. */
  audit: optionalSection({ path: filledText('stdout, or the path of a file').required() }),
})

const checkedAuth = checks.reduce(
  (schema, { key, holds, error }) =>
    schema.refine((found) => holds(found as Found), {
      ...(key === undefined ? {} : { path: [key] }),
      when: isMap,
      error: ({ input }) => (typeof error === 'string' ? error : error(input as Found)),
    }),
  authKeys,
)

export const auth = sectionOf(checkedAuth)

export const policy = section({ repository: section({ classes: list(text().required()) }) })
