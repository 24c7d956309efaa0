import { RegistryError } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** The answer to a push to a repository that mirrors another one: the same as Distribution's. */
export function pushRefused({ upstream }: { readonly upstream: Upstream; readonly name: RepositoryName }) {
  return new RegistryError('UNSUPPORTED', {
    message: `this repository mirrors one of ${upstream.host}: nothing is pushed to it`,
  })
}
