import type { AccessController, ChallengeOptions, Credentials, Identity } from '../core/access-controller.ts'
import { bearerChallenge } from './challenge.ts'
import { ALL_RIGHTS, NO_RIGHTS } from './rights.ts'
import { Somebody } from './somebody.ts'

/** For tests: whoever sends any `Authorization` at all may do everything. */
export class SillyAccess implements AccessController {
  readonly #settings: { readonly realm: string; readonly service: string }
  readonly #nobody = new Somebody({ kind: 'anonymous', name: '', proof: 'none', rights: NO_RIGHTS })
  readonly #silly = new Somebody({ kind: 'user', name: 'silly', proof: 'token', rights: ALL_RIGHTS })

  constructor(settings: { readonly realm: string; readonly service: string }) {
    this.#settings = settings
  }

  identifyIfCached({ authorization }: Credentials): Identity {
    return authorization === undefined || authorization === '' ? this.#nobody : this.#silly
  }

  async identify(credentials: Credentials): Promise<Identity> {
    return this.identifyIfCached(credentials)
  }

  challenge(options: ChallengeOptions): string {
    return bearerChallenge({ ...options, ...this.#settings })
  }
}
