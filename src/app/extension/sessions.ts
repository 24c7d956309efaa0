/** Sessions of people: `auth.login`. The code is loaded if people can log in. */
import { randomBytes } from 'node:crypto'
import type { Config } from '../../config/schema.ts'
import type { People, Sessions } from '../../core/access/sessions.ts'
import type { Log } from '../../core/log.ts'
import { BrowserSessions } from '../../login/browser-sessions.ts'

/** @param isAlone false if several workers serve, which need a common secret */
export async function openSessions(
  { auth: { login }, http }: Config,
  { people, log, isAlone }: { people: People; log: Log; isAlone: boolean },
): Promise<Sessions | undefined> {
  if (http.secret === '') {
    log.warn({ key: 'http.secret' }, isAlone ? 'is empty: sessions end with this process' : NO_SESSIONS)
    if (!isAlone) return undefined
  }
  const secret = http.secret === '' ? randomBytes(32) : http.secret
  return new BrowserSessions({
    ...{ people, secret, lifetimeMs: login.session },
    providers: await openProviders(login.oidc, { secret, log }),
  })
}

const NO_SESSIONS = 'is empty: people cannot log in, because workers have no common secret'

async function openProviders(
  settings: Config['auth']['login']['oidc'],
  parts: { secret: string | Uint8Array; log: Log },
) {
  if (settings.length === 0) return []
  const { ProviderLogin } = await import('../../login/provider-login.ts')
  return settings.map(({ clientid, clientsecret, name, ...rest }) => {
    const shown = name || new URL(rest.issuer).host
    return new ProviderLogin({ ...rest, name: shown, clientId: clientid, clientSecret: clientsecret }, parts)
  })
}
