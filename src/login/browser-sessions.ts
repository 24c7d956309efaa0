import { LRUCache } from 'lru-cache'
import * as z from 'zod'
import type { LoginClient } from '../core/access/access-controller.ts'
import type { Login } from '../core/access/authorization-header.ts'
import type {
  LoginBegin,
  LoginResult,
  People,
  Person,
  ProviderInfo,
  SealedCookie,
  Session,
  Sessions,
} from '../core/access/sessions.ts'
import { RegistryError } from '../core/errors.ts'
import { atMost } from '../lib/at-most.ts'
import type { ProviderLogin } from './provider-login.ts'
import { Sealing } from './sealing.ts'

export interface BrowserSessionsParts {
  readonly people: People
  /** The same in all replicas. */
  readonly secret: string | Uint8Array
  readonly lifetimeMs: number
  readonly providers: readonly ProviderLogin[]
}

const person = z.object({
  source: z.enum(['password', 'provider']),
  name: z.string().min(1),
  groups: z.array(z.string()),
  stamp: z.string(),
})

/** Browsers and proxies do not take longer cookies. */
const MAX_COOKIE_BYTES = 4_000
const MAX_CACHED = 10_000

/** Sessions in cookies: no replica stores them. */
export class BrowserSessions implements Sessions {
  readonly #parts: BrowserSessionsParts
  readonly #sealing: Sealing
  /** The person does not change, its rights do. */
  readonly #read = new LRUCache<string, { person: Person; expiresAt: Date }>(atMost(MAX_CACHED))

  constructor(parts: BrowserSessionsParts) {
    this.#parts = parts
    this.#sealing = new Sealing(parts.secret, 'session')
  }

  get havePasswords(): boolean {
    return this.#parts.people.havePasswords
  }

  get providers(): readonly ProviderInfo[] {
    return this.#parts.providers.map(({ id, name }) => ({ id, name }))
  }

  readIfCached(cookie: string): Session | undefined {
    const known = this.#read.get(cookie)
    return known && this.#session(known)
  }

  async read(cookie: string): Promise<Session | undefined> {
    const known = this.#read.get(cookie)
    if (known !== undefined) return this.#session(known)
    if (cookie.length > MAX_COOKIE_BYTES) return undefined
    const content = await this.#sealing.open(cookie)
    const parsed = person.safeParse(content?.person)
    if (content === undefined || !parsed.success) return undefined
    const read = { person: parsed.data, expiresAt: new Date(content.exp * 1000) }
    this.#read.set(cookie, read)
    return this.#session(read)
  }

  async login(login: Login, client: LoginClient): Promise<SealedCookie> {
    return this.#seal(await this.#parts.people.login(login, client))
  }

  begin(provider: string, options: { redirectUri: string; returnTo: string }): Promise<LoginBegin> {
    return this.#provider(provider).begin(options)
  }

  async finish(current: URL, cookie: string | undefined): Promise<LoginResult> {
    for (const provider of this.#parts.providers) {
      const begun = cookie === undefined ? undefined : await provider.begun(cookie)
      if (begun === undefined) continue
      const result = await provider.finish(current, begun)
      if ('failure' in result) return { failure: result.failure, returnTo: begun.returnTo }
      const sealed = await this.#seal(result)
      return { cookie: sealed, person: result, returnTo: begun.returnTo }
    }
    return { failure: 'expired', returnTo: undefined }
  }

  async #seal(person: Person): Promise<SealedCookie> {
    const sealed = await this.#sealing.seal({ person }, this.#parts.lifetimeMs)
    if (sealed.value.length <= MAX_COOKIE_BYTES) return sealed
    throw new RegistryError('DENIED', { message: 'the person has too many groups for a session' })
  }

  #session({ person, expiresAt }: { person: Person; expiresAt: Date }): Session | undefined {
    if (expiresAt.getTime() <= Date.now()) return undefined
    if (person.source === 'provider' && !this.#hasProviderOf(person.name)) return undefined
    const identity = this.#parts.people.identityOf(person)
    return identity && { identity, person, expiresAt }
  }

  /** False once the provider is no longer configured. */
  #hasProviderOf(name: string): boolean {
    return this.#parts.providers.some(({ prefix }) => name.startsWith(prefix))
  }

  #provider(id: string): ProviderLogin {
    const provider = this.#parts.providers.find((one) => one.id === id)
    if (provider !== undefined) return provider
    throw new RegistryError('REQUEST_INVALID', { message: 'there is no such identity provider' })
  }
}
