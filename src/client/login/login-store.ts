import { runHelper } from '../credential-helper.ts'
import type { CredentialSource, Credentials } from '../credentials.ts'
import { DOCKER_HUB, parseHost } from '../image-reference.ts'
import { changeEntry, type LoginEntry, type LoginFile, loginFilePaths, readLoginFile } from './login-file.ts'

/** What Docker calls its Hub in files and to helpers. */
const HUB_KEY = 'https://index.docker.io/v1/'
/** Whom helpers and files name if the secret is an identity token. */
const TOKEN_USER = '<token>'

/** The logins of this user, where Docker and Podman have them too. */
export class LoginStore {
  readonly #env: Readonly<Record<string, string | undefined>>

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env
  }

  /** Where the credentials of a registry come from; each request after they were refused looks again.
   *  @param repository for logins that are for a part of a registry, as Podman has them */
  source(host: string, repository = ''): CredentialSource {
    return new OptionalCredentials(() => this.find(host, repository))
  }

  /** @returns undefined if there are none
   *  @throws Error if a file can't be read or a helper can't be run */
  async find(host: string, repository = ''): Promise<Credentials | undefined> {
    for (const path of loginFilePaths(this.#env)) {
      const found = await findIn(await readLoginFile(path), { host, repository })
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Stores a login in Docker's file, or in the helper that it names.
   *  @returns where, for messages */
  async store(host: string, { username, password }: Credentials): Promise<string> {
    const { file, helper } = await this.#place(host)
    if (helper === undefined) {
      await changeEntry(file.path, keyOf(host), {
        auth: Buffer.from(`${username}:${password}`).toString('base64'),
      })
      return file.path
    }
    const login = { ServerURL: keyOf(host), Username: username, Secret: password }
    const { status } = await runHelper(helper, 'store', JSON.stringify(login))
    if (status !== 0) throw new Error(`${helper} did not store the login: it ended with ${status}`)
    await changeEntry(file.path, keyOf(host), {})
    return helper
  }

  /** @returns false if there was none */
  async remove(host: string): Promise<boolean> {
    const { file, helper } = await this.#place(host)
    const keys = Object.keys(file.auths).filter((key) => parseHost(key) === host)
    for (const key of keys) await changeEntry(file.path, key, undefined)
    if (helper === undefined) return keys.length > 0
    const { status } = await runHelper(helper, 'erase', keyOf(host))
    return keys.length > 0 || status === 0
  }

  async #place(host: string): Promise<{ file: LoginFile; helper: string | undefined }> {
    const file = await readLoginFile(loginFilePaths(this.#env)[0] ?? '')
    return { file, helper: helperOf(file, host) }
  }
}

async function findIn(
  file: LoginFile,
  { host, repository }: { host: string; repository: string },
): Promise<Credentials | undefined> {
  const helper = helperOf(file, host)
  const fromHelper = helper === undefined ? undefined : await askHelper(helper, keyOf(host))
  if (fromHelper !== undefined) return fromHelper
  const parts = repository.split('/').filter(Boolean)
  for (let length = parts.length; length >= 0; length--) {
    const name = [host, ...parts.slice(0, length)].join('/')
    const key = Object.keys(file.auths).find(
      (one) => one === name || (length === 0 && parseHost(one) === host),
    )
    const found = key === undefined ? undefined : credentialsIn(file.auths[key] ?? {}, file.path)
    if (found !== undefined) return found
  }
  return undefined
}

function helperOf({ credHelpers, credsStore }: LoginFile, host: string): string | undefined {
  const own = Object.entries(credHelpers).find(([key]) => parseHost(key) === host)?.[1]
  const name = own ?? credsStore
  return name === undefined ? undefined : `docker-credential-${name}`
}

/** Undefined if the helper has none for the registry. */
async function askHelper(command: string, key: string): Promise<Credentials | undefined> {
  const { status, said } = await runHelper(command, 'get', key)
  if (status !== 0) {
    if (/credentials not found/i.test(said)) return undefined
    throw new Error(`${command} ended with ${status}`)
  }
  const { Username: username, Secret: password } = Object(jsonOf(said))
  if (typeof username !== 'string' || typeof password !== 'string')
    throw new Error(`${command} gave no Username and Secret`)
  return { username, password }
}

function credentialsIn(
  { auth = '', username, password, identitytoken }: LoginEntry,
  path: string,
): Credentials | undefined {
  if (identitytoken) return { username: TOKEN_USER, password: identitytoken }
  if (username && password) return { username, password }
  if (auth === '') return undefined
  const [, user, secret] = /^([^:]*):([\s\S]*)$/.exec(Buffer.from(auth, 'base64').toString()) ?? []
  if (user === undefined || secret === undefined)
    throw new Error(`${path}: an auth is not user:password in base64`)
  return { username: user, password: secret.replace(/\0+$/, '') }
}

function keyOf(host: string): string {
  return host === DOCKER_HUB ? HUB_KEY : host
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Credentials that there may be none of; found once. */
class OptionalCredentials implements CredentialSource {
  readonly #find: () => Promise<Credentials | undefined>
  #found: Promise<Credentials | undefined> | undefined

  constructor(find: () => Promise<Credentials | undefined>) {
    this.#find = find
  }

  get(): Promise<Credentials | undefined> {
    this.#found ??= this.#find()
    return this.#found
  }

  refused(): void {
    this.#found = undefined
  }
}
