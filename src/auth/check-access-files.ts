import type { Log } from '../core/log.ts'
import type { AuthSettings } from './access-control.ts'
import { checkKeyFile } from './issuer/key-file.ts'
import { Bcrypt } from './passwords/bcrypt.ts'
import { Htpasswd } from './passwords/htpasswd.ts'
import { Robots } from './robots/robots.ts'
import { logRuleWarnings } from './rule-warnings.ts'
import { TokenAccess } from './token/token-access.ts'

/** Opens the files of access control as the start does, and changes nothing.
 *  @returns a promise for each file, which rejects with errors that would prevent the start */
export function checkAccessFiles(settings: AuthSettings, log: Log): Promise<void>[] {
  const { robots, token, issuer } = settings
  const watching = { log, onChange() {} }
  return [
    checkUsers(settings, watching),
    ...(robots ? [openAndClose(Robots.open({ ...watching, ...robots }))] : []),
    ...(token ? [openAndClose(TokenAccess.open(token, log))] : []),
    ...(issuer ? [checkKeyFile(issuer.keys)] : []),
  ]
}

/** Checks users and rules together: a rule may name an unknown user. */
async function checkUsers(
  settings: AuthSettings,
  watching: { log: Log; onChange: () => void },
): Promise<void> {
  const { htpasswd } = settings
  const users = htpasswd && (await Htpasswd.open({ ...watching, ...htpasswd, bcrypt: new Bcrypt() }))
  users?.close()
  logRuleWarnings(settings, (name) => users?.names(name) === true, watching.log)
}

async function openAndClose(opening: Promise<{ close(): void }>): Promise<void> {
  ;(await opening).close()
}
