import type { Session } from '../../../core/access/sessions.ts'
import { RegistryError } from '../../../core/errors.ts'
import { readBody } from '../../request/body.ts'
import type { RequestContext } from '../../request-context.ts'
import { readCookie } from '../../session/cookies.ts'

const MAX_JSON_BYTES = 16 * 1024

/** The session that the client has authenticated by. */
export async function sessionOf(context: RequestContext): Promise<Session | undefined> {
  const { identity, sessions } = context
  if (identity.proof !== 'session') return undefined
  const cookie = readCookie('entrepot', context)
  return cookie === undefined ? undefined : sessions?.read(cookie)
}

/** True if the client can make keys. */
export function mayHaveKeys({ keys, identity, settings }: RequestContext): boolean {
  const { kind, proof } = identity
  return (
    keys !== undefined &&
    !settings.readOnly &&
    kind === 'user' &&
    (proof === 'session' || proof === 'password')
  )
}

/** Reads a small body of JSON. Undefined if it is none. */
export async function readJson(context: RequestContext): Promise<unknown> {
  const tooLarge = () => new RegistryError('REQUEST_INVALID', { message: 'the body is too large' })
  const bytes = await readBody(context.body(), { maxBytes: MAX_JSON_BYTES, tooLarge })
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
