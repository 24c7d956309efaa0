import type {
  AccessController,
  ChallengeOptions,
  Credentials,
  Identity,
} from '../core/access/access-controller.ts'
import { bearerChallenge } from './challenge.ts'
import { ALL_PERMISSIONS, NO_PERMISSIONS } from './permissions.ts'
import { Principal } from './principal.ts'

/** For tests: any `Authorization` header allows everything. */
export class SillyAccess implements AccessController {
  readonly #settings: { readonly realm: string; readonly service: string }
  readonly #anonymous = new Principal({
    kind: 'anonymous',
    name: '',
    proof: 'none',
    permissions: NO_PERMISSIONS,
  })
  readonly #silly = new Principal({
    kind: 'user',
    name: 'silly',
    proof: 'token',
    permissions: ALL_PERMISSIONS,
  })

  constructor(settings: { readonly realm: string; readonly service: string }) {
    this.#settings = settings
  }

  identifyIfCached({ authorization }: Credentials): Identity {
    return authorization === undefined || authorization === '' ? this.#anonymous : this.#silly
  }

  async identify(credentials: Credentials): Promise<Identity> {
    return this.identifyIfCached(credentials)
  }

  challenge(options: ChallengeOptions): string {
    return bearerChallenge({ ...options, ...this.#settings })
  }
}
