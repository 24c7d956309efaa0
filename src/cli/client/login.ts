import { text } from 'node:stream/consumers'
import { DOCKER_HUB, parseHost } from '../../client/image-reference.ts'
import { LoginStore } from '../../client/login/login-store.ts'
import { parseCommand } from '../parse-command.ts'
import { askLine, askPassword } from '../password.ts'
import type { CommandModule } from '../table/command.ts'
import { UsageError } from '../usage-error.ts'
import { CONNECTION, helpText, JSON_OPTION, type OptionTexts } from './options.ts'
import { Registries } from './registries.ts'
import { print } from './session.ts'

const { creds: _, ...CONNECTION_WITHOUT_LOGIN } = CONNECTION

const LOGIN = {
  username: { type: 'string', short: 'u', value: 'name', text: 'default: is asked for' },
  password: {
    type: 'string',
    short: 'p',
    value: 'password',
    text: 'seen by others on this machine; better:',
  },
  'password-stdin': { type: 'boolean', text: 'the password is read from standard input' },
  ...JSON_OPTION,
  ...CONNECTION_WITHOUT_LOGIN,
} as const satisfies OptionTexts

const LOGIN_HELP = helpText(
  ['login [registry]'],
  `Checks a login and stores it where docker and podman find it: ~/.docker/config.json, or the credential helper that it names. The
registry is Docker Hub by default.`,
  LOGIN,
)

/** Runs `entrepot login`.
 *  @throws UsageError; UpstreamError REFUSED if the registry refuses the login */
export async function login(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: LOGIN_HELP, options: LOGIN })
  if (parsed === undefined) return
  const { values, positionals } = parsed
  const host = hostOf(positionals)
  if (values.password !== undefined && values['password-stdin'])
    throw new UsageError('either --password or --password-stdin')
  const username = values.username ?? (await askedName(values['password-stdin'] ?? false))
  const password = values.password ?? (await readSecret(values['password-stdin'] ?? false))
  if (username === '' || password === '') throw new UsageError('a login has a name and a password')
  const registries = new Registries(values)
  try {
    const client = await registries.client({ host }, { credentials: { username, password } })
    await registries.retries.run(() => client.ping())
  } finally {
    await registries.close()
  }
  const place = await new LoginStore(process.env).store(host, { username, password })
  if (values.json) print(JSON.stringify({ action: 'login', registry: host, stored: place }))
  else process.stderr.write(`The login for ${host} is stored in ${place}\n`)
}

const LOGOUT_HELP = helpText(['logout [registry]'], 'Removes the stored login of a registry.', JSON_OPTION)

/** Runs `entrepot logout`. */
export async function logout(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(args, { help: LOGOUT_HELP, options: JSON_OPTION })
  if (parsed === undefined) return
  const host = hostOf(parsed.positionals)
  const wasThere = await new LoginStore(process.env).remove(host)
  if (parsed.values.json) print(JSON.stringify({ action: 'logout', registry: host, removed: wasThere }))
  else print(wasThere ? `The login for ${host} is removed` : `There is no login for ${host}`)
}

function hostOf([host = DOCKER_HUB, ...others]: readonly string[]): string {
  const parsed = parseHost(host)
  if (parsed !== undefined && others.length === 0) return parsed
  throw new UsageError(`one registry, such as registry.example:5000, not ${[host, ...others].join(' ')}`)
}

async function askedName(isFromStdin: boolean): Promise<string> {
  if (isFromStdin || !process.stdin.isTTY) throw new UsageError('--username is missing')
  return askLine('Username: ')
}

async function readSecret(isFromStdin: boolean): Promise<string> {
  if (!isFromStdin && process.stdin.isTTY) return askPassword('Password: ')
  return (await text(process.stdin)).replace(/\r?\n$/, '')
}

export const loginCommand: CommandModule = { help: LOGIN_HELP, options: LOGIN, run: login }
export const logoutCommand: CommandModule = { help: LOGOUT_HELP, options: JSON_OPTION, run: logout }
