/** A registry with access control in this process, and the people of its tests. Everybody's password is their name. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashSync } from '@node-rs/bcrypt'
import type { AuthSettings } from '../../src/auth/access-control.ts'
import type { Rule } from '../../src/auth/rules.ts'
import { type Answer, HttpRegistry, type HttpRegistryOptions } from './http-registry.ts'
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'

/** The cheapest there is: what it costs is not what these tests are about. */
const COST = 4

export function htpasswdOf(users: readonly string[], cost = COST): string {
  return users.map((user) => `${user}:${hashSync(user, cost)}\n`).join('')
}

export function basic(user: string, password = user): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}

export function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` }
}

export const rule = (repositories: string, who: string, ...actions: Rule['actions']): Rule => ({
  repositories: [repositories],
  who: who.split(' '),
  actions,
})

/** Variables that have the files of a configuration's `auth` in a folder of the test, with everybody of the examples. */
export async function accessFiles(auth: object, folder: string): Promise<Record<string, string>> {
  const users = join(folder, 'users')
  await writeFile(users, htpasswdOf(['alice', 'bob', 'carol']))
  return {
    ...('htpasswd' in auth && { REGISTRY_AUTH_HTPASSWD_PATH: users }),
    ...('robots' in auth && { REGISTRY_AUTH_ROBOTS_PATH: join(folder, 'robots.json') }),
    ...('issuer' in auth && { REGISTRY_AUTH_ISSUER_KEYS: join(folder, 'keys.json') }),
    ...('audit' in auth && { REGISTRY_AUTH_AUDIT_PATH: join(folder, 'audit.log') }),
  }
}

export interface GuardedOptions extends Omit<HttpRegistryOptions, 'auth'> {
  readonly users?: readonly string[]
  /** Of their passwords; default: the cheapest there is. */
  readonly cost?: number
  /** The text of the file of users, in place of `users`. */
  readonly htpasswd?: string
  readonly auth?: Partial<AuthSettings>
}

/** A registry that is kept by an htpasswd file. */
export class GuardedRegistry implements AsyncDisposable {
  readonly registry: HttpRegistry
  readonly folder: TemporaryFolder
  readonly usersPath: string

  private constructor(
    registry: HttpRegistry,
    { folder, usersPath }: { folder: TemporaryFolder; usersPath: string },
  ) {
    this.registry = registry
    this.folder = folder
    this.usersPath = usersPath
  }

  static async start({
    users = [],
    cost,
    htpasswd = htpasswdOf(users, cost),
    auth,
    ...options
  }: GuardedOptions = {}): Promise<GuardedRegistry> {
    const folder = await temporaryFolder()
    const usersPath = join(folder.path, 'users')
    await writeFile(usersPath, htpasswd)
    const settings = {
      htpasswd: { realm: 'the test', path: usersPath },
      oidc: [],
      groups: {},
      ...auth,
    }
    try {
      return new GuardedRegistry(await HttpRegistry.start({ ...options, auth: settings }), {
        folder,
        usersPath,
      })
    } catch (error) {
      await folder.remove()
      throw error
    }
  }

  /** As a user, or as nobody where there is none. */
  send(request: string, as?: string, parts: Parameters<HttpRegistry['send']>[1] = {}): Promise<Answer> {
    const headers = { ...(as === undefined ? {} : basic(as)), ...parts.headers }
    return this.registry.send(request, { ...parts, headers })
  }

  /** A token of the registry's own issuer. */
  async token(as: string | undefined, ...scopes: string[]): Promise<string> {
    const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join('&')
    const answer = await this.send(`GET /auth/token?service=entrepot&${query}`, as)
    if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.body}`)
    return JSON.parse(answer.body.toString()).token
  }

  /** Pushes a blob; returns its digest. */
  async pushBlob(repository: string, bytes: string, as: string): Promise<string> {
    const { digestOf } = await import('../../src/core/digest.ts')
    const digest = digestOf(Buffer.from(bytes))
    const answer = await this.send(`POST /v2/${repository}/blobs/uploads/?digest=${digest}`, as, {
      body: bytes,
    })
    if (answer.status !== 201) throw new Error(`not pushed: ${answer.status} ${answer.body}`)
    return digest
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry[Symbol.asyncDispose]()
    await this.folder.remove()
  }
}

export function issuerSettings(folder: string): NonNullable<AuthSettings['issuer']> {
  return {
    realm: undefined,
    service: 'entrepot',
    issuer: 'entrepot',
    keys: join(folder, 'keys.json'),
    rotation: 30 * 24 * 60 * 60 * 1000,
  }
}
