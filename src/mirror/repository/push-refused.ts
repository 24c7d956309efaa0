import { RegistryError } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** The error for a push to a mirrored repository; UNSUPPORTED as in Distribution. */
export function pushRefused({ upstream }: { readonly upstream: Upstream; readonly name: RepositoryName }) {
  return new RegistryError('UNSUPPORTED', {
    message: `this repository is a mirror of ${upstream.host} and does not accept pushes`,
  })
}
