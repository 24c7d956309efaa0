/** A name and a password, or an identity token in place of both. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** What docker's credential helpers and registries call a user who has a refresh token. */
export const TOKEN_USERS: ReadonlySet<string> = new Set(['<token>'])

/** Where credentials for an upstream come from. */
export interface CredentialSource {
  /** Undefined for none.
   *  @throws Error if they can't be had */
  get(): Promise<Credentials | undefined>
  /** They were refused: the next time, others are to be had if there are any. */
  refused(): void
}

export function fixedCredentials(credentials: Credentials | undefined): CredentialSource {
  return { get: async () => credentials, refused() {} }
}

/** Credentials that are good for a while, fetched once for all who ask at the same time. */
export class FetchedCredentials implements CredentialSource {
  readonly #fetch: () => Promise<TimedCredentials>
  #known: Promise<TimedCredentials> | undefined

  constructor(fetch: () => Promise<TimedCredentials>) {
    this.#fetch = fetch
  }

  async get(): Promise<Credentials> {
    const before = this.#known
    const known = await before?.catch(() => undefined)
    if (known !== undefined && Date.now() < known.expiresAt) return known
    // Another caller may have begun to fetch meanwhile.
    if (this.#known === undefined || this.#known === before) this.#known = this.#fetch()
    return this.#known
  }

  refused(): void {
    this.#known = undefined
  }
}

export interface TimedCredentials extends Credentials {
  /** In milliseconds since 1970; infinite for ever. */
  readonly expiresAt: number
}
