import type { Permissions } from './permissions.ts'

/** An identity with a password. */
export interface Account {
  readonly kind: 'user' | 'robot'
  readonly name: string
  readonly permissions: Permissions
  /** Changes with the password, which invalidates tokens issued for the old one. */
  readonly stamp: string
  /** In milliseconds since 1970; undefined for accounts without expiry. */
  readonly expiresAt: number | undefined
  /** The id of the personal key that was used in place of the password. */
  readonly key?: string
}
