import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { makeFolder, updateFile } from '../../lib/files/atomic-write.ts'

/** What Docker and Podman keep of logins, `config.json` and `auth.json`.
 *  https://docs.docker.com/reference/cli/docker/login/#credential-stores;
 *  containers-auth.json(5) */
export interface LoginFile {
  readonly path: string
  readonly auths: Readonly<Record<string, LoginEntry>>
  /** Names of credential helpers by registry. */
  readonly credHelpers: Readonly<Record<string, string>>
  /** Name of the credential helper for all other registries. */
  readonly credsStore: string | undefined
}

export interface LoginEntry {
  /** `user:password` in base64. */
  readonly auth?: string
  readonly username?: string
  readonly password?: string
  readonly identitytoken?: string
}

type Environment = Readonly<Record<string, string | undefined>>

/** Docker's own file. */
export function dockerConfigPath(env: Environment): string {
  return join(env.DOCKER_CONFIG || join(homeOf(env), '.docker'), 'config.json')
}

/** The files that logins are looked for in, the first that has one: Docker's, then Podman's. */
export function loginFilePaths(env: Environment): string[] {
  const runtime = env.XDG_RUNTIME_DIR
  const configuration = env.XDG_CONFIG_HOME || join(homeOf(env), '.config')
  return [
    dockerConfigPath(env),
    ...(env.REGISTRY_AUTH_FILE ? [env.REGISTRY_AUTH_FILE] : []),
    ...(runtime ? [join(runtime, 'containers', 'auth.json')] : []),
    join(configuration, 'containers', 'auth.json'),
  ]
}

/** Empty if there is no such file.
 *  @throws Error if it is not readable, or not JSON */
export async function readLoginFile(path: string): Promise<LoginFile> {
  const { auths, credHelpers, credsStore } = parse(await textIfThere(path), path)
  return {
    path,
    auths: Object(auths),
    credHelpers: Object(credHelpers),
    credsStore: typeof credsStore === 'string' && credsStore !== '' ? credsStore : undefined,
  }
}

/** Changes the entry of a registry, or removes it; everything else in the file stays. */
export async function changeEntry(path: string, key: string, entry: LoginEntry | undefined): Promise<void> {
  await makeFolder(dirname(path))
  await updateFile(path, (text) => {
    const content = parse(text, path)
    const { [key]: _, ...others } = Object(content.auths) as Record<string, unknown>
    const auths = entry === undefined ? others : { ...others, [key]: entry }
    return `${JSON.stringify({ ...content, auths }, undefined, '\t')}\n`
  })
}

function parse(text: string, path: string): Record<string, unknown> {
  if (text.trim() === '') return {}
  try {
    return Object(JSON.parse(text))
  } catch (cause) {
    throw new Error(`${path} is not JSON`, { cause })
  }
}

async function textIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}

function homeOf(env: Environment): string {
  return env.HOME || homedir()
}
