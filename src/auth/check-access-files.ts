import type { Log } from '../core/log.ts'
import type { AuthSettings } from './access-control.ts'
import { checkKeyFile } from './issuer/key-file.ts'
import { Bcrypt } from './passwords/bcrypt.ts'
import { Htpasswd } from './passwords/htpasswd.ts'
import { Robots } from './robots.ts'
import { logRuleWarnings } from './rule-warnings.ts'
import { TokenAccess } from './token/token-access.ts'

/** Opens the files of access control as the start does, and changes none.
 *  @returns for each a promise that rejects with what would keep the registry from starting */
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

/** The rules with them, which may name somebody whom no file knows. */
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
