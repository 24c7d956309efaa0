import type { Action } from './access-controller.ts'
import type { Person } from './sessions.ts'

/** A key that a person has made for the command line. */
export interface PersonalKey {
  readonly id: string
  /** Chosen by the person. */
  readonly name: string
  /** Globs of the repositories that it is good for. */
  readonly repositories: readonly string[]
  readonly actions: readonly (Action | '*')[]
  readonly createdAt: Date
  readonly expiresAt: Date
  /** To the hour. Null if it was never used. */
  readonly lastUsedAt: Date | null
}

export interface WantedKey {
  readonly name: string
  readonly repositories: readonly string[]
  readonly actions: readonly (Action | '*')[]
  readonly lifetimeMs: number
}

/** The port to keys of people. They are on storage, so every replica knows them. */
export interface PersonalKeys {
  readonly maxLifetimeMs: number
  /** The owner of keys who has logged in with a password. Undefined if there is no such user. */
  ownerOf(name: string): Person | undefined
  /** The newest first, with those that have expired. */
  list(owner: Person): Promise<readonly PersonalKey[]>
  /** @returns the key with its secret, which is stored nowhere
   *  @throws RegistryError REQUEST_INVALID if the person has too many */
  create(owner: Person, wanted: WantedKey): Promise<{ key: PersonalKey; secret: string }>
  /** @returns false if the person has no such key */
  revoke(owner: Person, id: string): Promise<boolean>
}
