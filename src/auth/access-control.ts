import { type AccessController, OPEN_TO_ALL } from '../core/access-controller.ts'
import type { Log } from '../core/log.ts'
import type { TokenIssuer } from '../core/token-issuer.ts'
import { Accounts } from './accounts.ts'
import type { CertificateField } from './certificate-user.ts'
import { FailedLogins, type FailedLoginsOptions } from './failed-logins.ts'
import { Issuer, REFRESH_LIFETIME_SECONDS } from './issuer/issuer.ts'
import { KeyFile } from './issuer/key-file.ts'
import { type OidcSettings, WorkloadIdentity } from './issuer/oidc.ts'
import { Bcrypt } from './passwords/bcrypt.ts'
import { Htpasswd } from './passwords/htpasswd.ts'
import { RememberedCredentials } from './remembered.ts'
import { RuleBook } from './rights.ts'
import { Robots } from './robots.ts'
import { RuleAccess } from './rule-access.ts'
import type { Rule, RuleSet } from './rules.ts'
import { SillyAccess } from './silly-access.ts'
import { TokenAccess, type TokenAccessSettings } from './token/token-access.ts'

/** `auth` of the configuration, checked: the schema says what goes together. */
export interface AuthSettings {
  readonly silly?: { readonly realm: string; readonly service: string } | undefined
  readonly htpasswd?: { readonly realm: string; readonly path: string } | undefined
  readonly token?: TokenAccessSettings | undefined
  readonly issuer?: IssuerSettings | undefined
  readonly oidc: readonly OidcSettings[]
  readonly robots?: { readonly path: string } | undefined
  readonly certificate?: { readonly user: CertificateField } | undefined
  readonly rules?: readonly Rule[] | undefined
  readonly groups: Readonly<Record<string, readonly string[]>>
}

export interface IssuerSettings {
  /** The URL of `/auth/token`, where it can't be told from the requests. */
  readonly realm: string | undefined
  readonly service: string
  readonly issuer: string
  /** The path of the file of keys. */
  readonly keys: string
  /** Milliseconds. */
  readonly rotation: number
}

/** Access control as configured, over files that are watched until it is closed. */
export interface AccessControl {
  readonly controller: AccessController
  readonly issuer: TokenIssuer | undefined
  /** Puts other rules in force, from the next request on. */
  replaceRules(rules: RuleSet): void
  close(): void
}

export interface AccessControlParts {
  readonly log: Log
  /** For tests that fail on purpose. */
  readonly failedLogins?: FailedLoginsOptions
}

/** @throws Error when a file that it needs can't be used */
export async function openAccessControl(
  settings: AuthSettings,
  parts: AccessControlParts,
): Promise<AccessControl> {
  const { silly, token } = settings
  if (silly !== undefined) return withoutRules(new SillyAccess(silly))
  if (token !== undefined) {
    const access = await TokenAccess.open(token, parts.log)
    return withoutRules(access, () => access.close())
  }
  return hasAnything(settings) ? openRuleAccess(settings, parts) : withoutRules(OPEN_TO_ALL)
}

function withoutRules(controller: AccessController, close = () => {}): AccessControl {
  return { controller, issuer: undefined, replaceRules() {}, close }
}

function hasAnything({ htpasswd, issuer, robots, certificate, rules }: AuthSettings): boolean {
  return [htpasswd, issuer, robots, certificate, rules].some((part) => part !== undefined)
}

const STANDARD_REALM = 'entrepot'

async function openRuleAccess(settings: AuthSettings, parts: AccessControlParts): Promise<AccessControl> {
  const opened: { close(): void }[] = []
  const close = () => {
    for (const one of opened) one.close()
  }
  const keep = <Part extends { close(): void }>(part: Part): Part => {
    opened.push(part)
    return part
  }
  try {
    return { ...(await wire(settings, parts, keep)), close }
  } catch (error) {
    close()
    throw error
  }
}

async function wire(
  settings: AuthSettings,
  { log, failedLogins }: AccessControlParts,
  keep: <Part extends { close(): void }>(part: Part) => Part,
): Promise<Omit<AccessControl, 'close'>> {
  const { htpasswd, robots, certificate, issuer: issuerSettings } = settings
  const remembered = new RememberedCredentials()
  const watching = { log, onChange: () => remembered.forgetAll() }
  const book = new RuleBook(settings)
  const accounts = new Accounts({
    book,
    failedLogins: new FailedLogins(failedLogins),
    htpasswd: htpasswd && keep(await Htpasswd.open({ ...watching, ...htpasswd, bcrypt: new Bcrypt() })),
    robots: robots && keep(await Robots.open({ ...watching, ...robots })),
  })
  const issuer =
    issuerSettings &&
    new Issuer({
      name: issuerSettings.issuer,
      service: issuerSettings.service,
      keys: keep(
        await KeyFile.open({
          ...watching,
          path: issuerSettings.keys,
          rotationMs: issuerSettings.rotation,
          keepMs: REFRESH_LIFETIME_SECONDS * 1000,
        }),
      ),
      workloads: new WorkloadIdentity(settings.oidc),
      accounts,
      book,
    })
  const invitation = issuerSettings
    ? { scheme: 'bearer' as const, ...issuerSettings }
    : htpasswd || robots
      ? { scheme: 'basic' as const, realm: htpasswd?.realm ?? STANDARD_REALM }
      : undefined
  const certificateField = certificate?.user
  const controller = new RuleAccess({ book, accounts, issuer, certificateField, invitation, remembered })
  return { controller, issuer, replaceRules: (rules) => book.replace(rules) }
}
