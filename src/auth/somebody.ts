import type { Action, Identity } from '../core/access-controller.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { Rights } from './rights.ts'
import { bitOf } from './rules.ts'

export interface SomebodyOptions {
  readonly kind: Identity['kind']
  readonly name: string
  readonly proof: Identity['proof']
  readonly rights: Rights
  /** What decides which repositories the catalog shows, where it is not `rights`. */
  readonly seen?: Rights
}

/** An identity over some rights. */
export class Somebody implements Identity {
  readonly kind: Identity['kind']
  readonly name: string
  readonly proof: Identity['proof']
  readonly owner: string
  readonly #rights: Rights
  readonly #seen: Rights

  constructor({ kind, name, proof, rights, seen = rights }: SomebodyOptions) {
    this.kind = kind
    this.name = name
    this.proof = proof
    this.owner = `${kind}:${name}`
    this.#rights = rights
    this.#seen = seen
  }

  may(action: Action, repository: RepositoryName): boolean {
    return (this.#rights.allowed(repository) & bitOf(action)) !== 0
  }

  get mayList(): boolean {
    return this.#rights.mayList
  }

  sees(repository: RepositoryName): boolean {
    return (this.#seen.allowed(repository) & bitOf('pull')) !== 0
  }
}
