import type { AccessController } from '../core/access/access-controller.ts'
import type { PersonalKeys } from '../core/access/personal-keys.ts'
import type { People } from '../core/access/sessions.ts'
import type { TokenIssuer } from '../core/access/token-issuer.ts'
import type { Log } from '../core/log.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import { Accounts } from './accounts.ts'
import type { CertificateField } from './certificate-user.ts'
import { CredentialCache } from './credential-cache.ts'
import type { Issuer } from './issuer/issuer.ts'
import type { OidcSettings } from './issuer/oidc.ts'
import type { KeyAccounts } from './keys/key-accounts.ts'
import type { KeyPlace } from './keys/key-files.ts'
import { LoginThrottle, type LoginThrottleOptions } from './login-throttle.ts'
import { Bcrypt } from './passwords/bcrypt.ts'
import { Htpasswd } from './passwords/htpasswd.ts'
import { RulePeople } from './people/rule-people.ts'
import { RuleBook } from './permissions.ts'
import { Robots } from './robots/robots.ts'
import { type ChallengeSettings, RuleAccess } from './rule-access.ts'
import { logRuleWarnings } from './rule-warnings.ts'
import type { Rule, RuleSet } from './rules.ts'
import { SillyAccess } from './silly-access.ts'
import type { TokenAccessSettings } from './token/token-access.ts'

/** The section `auth` of the configuration, validated by the schema. */
export interface AuthSettings {
  readonly silly?: { readonly realm: string; readonly service: string } | undefined
  readonly htpasswd?: { readonly realm: string; readonly path: string } | undefined
  readonly token?: TokenAccessSettings | undefined
  readonly issuer?: IssuerSettings | undefined
  readonly oidc: readonly OidcSettings[]
  /** Login of people; only its identity providers concern access control. */
  readonly login?: { readonly oidc: readonly { readonly prefix: string }[] }
  /** Keys of people. */
  readonly keys?: { readonly lifetime: number } | undefined
  readonly robots?: { readonly path: string } | undefined
  readonly certificate?: { readonly user: CertificateField } | undefined
  readonly rules?: readonly Rule[] | undefined
  readonly operators?: readonly string[] | undefined
  readonly groups: Readonly<Record<string, readonly string[]>>
}

export interface IssuerSettings {
  /** The URL of `/auth/token`, if it can't be derived from the requests. */
  readonly realm: string | undefined
  readonly service: string
  readonly issuer: string
  /** The path of the key file. */
  readonly keys: string
  /** In milliseconds. */
  readonly rotation: number
}

/** The configured access control, with its watched files. */
export interface AccessControl {
  readonly controller: AccessController
  readonly issuer: TokenIssuer | undefined
  /** Undefined if the rules do not apply to people. */
  readonly people: People | undefined
  /** Undefined if people can't make keys. */
  readonly keys: PersonalKeys | undefined
  /** Replaces the rules, from the next request on. */
  replaceRules(rules: RuleSet): void
  close(): void
}

export interface AccessControlParts {
  readonly log: Log
  /** False for one of several workers, which share the processors. Default: true. */
  readonly isAlone?: boolean
  /** Holds the keys of people. Without it there are none. */
  readonly keyStorage?: KeyStorage | undefined
  /** For tests of failed logins. */
  readonly loginThrottle?: LoginThrottleOptions
}

export interface KeyStorage {
  readonly storage: StorageDriver
  /** Authenticates what is on storage; the same in all replicas. */
  readonly secret: string
  readonly isReadOnly: boolean
}

/** Opens access control. Loads only the code that the configuration needs.
 *  @throws Error if a file can't be used */
export async function openAccessControl(
  settings: AuthSettings,
  parts: AccessControlParts,
): Promise<AccessControl> {
  const { silly, token } = settings
  if (silly !== undefined) return withoutRules(new SillyAccess(silly))
  if (token === undefined) return openRuleAccess(settings, parts)
  const { TokenAccess } = await import('./token/token-access.ts')
  const access = await TokenAccess.open(token, parts.log)
  return withoutRules(access, () => access.close())
}

function withoutRules(controller: AccessController, close = () => {}): AccessControl {
  return { controller, issuer: undefined, people: undefined, keys: undefined, replaceRules() {}, close }
}

/** Collects opened parts, to close them together. */
class Opened {
  readonly #parts: { close(): void }[] = []

  keep<Part extends { close(): void }>(part: Part): Part {
    this.#parts.push(part)
    return part
  }

  readonly close = () => {
    for (const part of this.#parts) part.close()
  }
}

async function openRuleAccess(settings: AuthSettings, parts: AccessControlParts): Promise<AccessControl> {
  const opened = new Opened()
  try {
    return { ...(await wire(settings, { ...parts, opened })), close: opened.close }
  } catch (error) {
    opened.close()
    throw error
  }
}

interface WiringParts extends AccessControlParts {
  readonly opened: Opened
}

async function wire(
  settings: AuthSettings,
  { log, isAlone = true, loginThrottle, opened, keyStorage }: WiringParts,
): Promise<Omit<AccessControl, 'close'>> {
  const { htpasswd, robots, certificate } = settings
  const credentialCache = new CredentialCache()
  const watching = { log, onChange: () => credentialCache.forgetAll() }
  const book = new RuleBook(settings)
  const bcrypt = new Bcrypt(isAlone ? {} : { concurrency: 1 })
  const users = htpasswd && opened.keep(await Htpasswd.open({ ...watching, ...htpasswd, bcrypt }))
  const keys = await openKeys(settings, {
    ...watching,
    keyStorage,
    book,
    stampOf: (user) => users?.stampOf(user),
  })
  const accounts = new Accounts({
    book,
    keys: keys?.accounts,
    loginThrottle: new LoginThrottle(loginThrottle),
    htpasswd: users,
    robots: robots && opened.keep(await Robots.open({ ...watching, ...robots })),
  })
  const issuer = await openIssuer(settings, { ...watching, accounts, book, opened })
  const controller = new RuleAccess({
    ...{ book, accounts, issuer, credentialCache },
    challengeSettings: challengeSettingsOf(settings),
    certificateField: certificate?.user,
  })
  const warn = (rules: RuleSet) =>
    logRuleWarnings({ ...settings, ...rules }, (name) => users?.names(name) === true, log)
  warn(settings)
  const replaceRules = (rules: RuleSet) => {
    book.replace(rules)
    warn(rules)
  }
  const people = new RulePeople({ accounts, book, havePasswords: users !== undefined })
  return { controller, issuer, people, keys: keys?.keys, replaceRules }
}

interface KeyWiring {
  readonly keyStorage: KeyStorage | undefined
  readonly book: RuleBook
  readonly stampOf: (user: string) => string | undefined
  readonly log: Log
  readonly onChange: () => void
}

/** Opens the keys of people. Their code is loaded if they are enabled.
 *  @throws Error without a common secret */
async function openKeys(
  { keys, login }: AuthSettings,
  { keyStorage, book, stampOf, log, onChange }: KeyWiring,
): Promise<{ accounts: KeyAccounts; keys: PersonalKeys } | undefined> {
  if (keys === undefined || keyStorage === undefined) return undefined
  const { storage, secret, isReadOnly } = keyStorage
  if (secret === '') throw new Error('auth.keys needs http.secret, the same in all replicas')
  const [{ KeyFiles }, { KeyAccounts }, { StoredKeys }] = await Promise.all([
    import('./keys/key-files.ts'),
    import('./keys/key-accounts.ts'),
    import('./keys/stored-keys.ts'),
  ])
  const files = new KeyFiles(storage, secret)
  const prefixes = login?.oidc.map(({ prefix }) => prefix) ?? []
  const accounts = new KeyAccounts({ files, book, stampOf, prefixes, isReadOnly, log })
  const onRevoked = (place: KeyPlace) => {
    accounts.forget(place)
    onChange()
  }
  return { accounts, keys: new StoredKeys({ files, maxLifetimeMs: keys.lifetime, stampOf, onRevoked }) }
}

interface IssuerWiring extends WiringParts {
  readonly accounts: Accounts
  readonly book: RuleBook
  readonly onChange: () => void
}

async function openIssuer(
  { issuer, oidc }: AuthSettings,
  { accounts, book, log, onChange, opened }: IssuerWiring,
): Promise<Issuer | undefined> {
  if (issuer === undefined) return undefined
  const [{ Issuer }, { REFRESH_LIFETIME_SECONDS }, { KeyFile }, { WorkloadIdentity }] = await Promise.all([
    import('./issuer/issuer.ts'),
    import('./issuer/token-subjects.ts'),
    import('./issuer/key-file.ts'),
    import('./issuer/oidc.ts'),
  ])
  const keys = await KeyFile.open({
    ...{ log, onChange },
    path: issuer.keys,
    rotationMs: issuer.rotation,
    keepMs: REFRESH_LIFETIME_SECONDS * 1000,
  })
  return new Issuer({
    ...{ accounts, book },
    name: issuer.issuer,
    service: issuer.service,
    keys: opened.keep(keys),
    workloads: new WorkloadIdentity(oidc),
  })
}

const STANDARD_REALM = 'entrepot'

function challengeSettingsOf({
  issuer,
  htpasswd,
  robots,
  keys,
}: AuthSettings): ChallengeSettings | undefined {
  if (issuer !== undefined) return { scheme: 'bearer', realm: issuer.realm, service: issuer.service }
  if ([htpasswd, robots, keys].every((part) => part === undefined)) return undefined
  return { scheme: 'basic', realm: htpasswd?.realm ?? STANDARD_REALM }
}
