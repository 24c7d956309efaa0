import type { Action, Identity } from '../core/access/access-controller.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { Permissions } from './permissions.ts'
import { bitOf } from './rules.ts'

export interface PrincipalOptions {
  readonly kind: Identity['kind']
  readonly name: string
  readonly proof: Identity['proof']
  readonly permissions: Permissions
  /** The permissions that decide which repositories the catalog shows, if not `permissions`. */
  readonly seen?: Permissions
  /** The id of the personal key. */
  readonly key?: string | undefined
}

/** An authenticated identity, or the anonymous one, with its permissions. */
export class Principal implements Identity {
  readonly kind: Identity['kind']
  readonly name: string
  readonly proof: Identity['proof']
  readonly owner: string
  readonly key: string | undefined
  readonly #permissions: Permissions
  readonly #seen: Permissions

  constructor({ kind, name, proof, permissions, seen = permissions, key }: PrincipalOptions) {
    this.kind = kind
    this.name = name
    this.proof = proof
    this.owner = `${kind}:${name}`
    this.key = key
    this.#permissions = permissions
    this.#seen = seen
  }

  may(action: Action, repository: RepositoryName): boolean {
    return (this.#permissions.allowed(repository) & bitOf(action)) !== 0
  }

  get mayList(): boolean {
    return this.#permissions.mayList
  }

  get mayOperate(): boolean {
    return this.#permissions.mayOperate
  }

  sees(repository: RepositoryName): boolean {
    return (this.#seen.allowed(repository) & bitOf('pull')) !== 0
  }
}
