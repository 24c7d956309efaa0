import type { KeyObject } from 'node:crypto'
import {
  errors,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
  type ProtectedHeaderParameters,
} from 'jose'
import * as z from 'zod'
import { RegistryError } from '../../core/errors.ts'
import type { ResourceActions } from '../permissions.ts'

/** Allowed difference between clocks, in seconds. */
export const CLOCK_SKEW_SECONDS = 60

/** Size limit of tokens. */
export const MAX_TOKEN_BYTES = 8 * 1024

export type Algorithms = readonly string[]

export interface KeyChoice {
  readonly key: KeyObject
  /** The algorithms that signatures by this key may have. */
  readonly algorithms: Algorithms
}

export interface VerifyTokenOptions
  extends Pick<JWTVerifyOptions, 'issuer' | 'audience' | 'typ' | 'algorithms'> {
  /** The key that the token's header names. Undefined if it is not trusted. */
  readonly choose: (header: ProtectedHeaderParameters) => KeyChoice | undefined
  /** Default: `MAX_TOKEN_BYTES`. */
  readonly maxBytes?: number
}

/** The claims of a token, if it is signed by a trusted key with one of its algorithms, has the right
 *  audience, and is valid now.
 *  @throws RegistryError UNAUTHORIZED */
export async function verifyToken(
  token: string,
  { choose, maxBytes = MAX_TOKEN_BYTES, ...options }: VerifyTokenOptions,
): Promise<JWTPayload & { exp: number }> {
  if (token.length > maxBytes) throw invalidToken('it is too long')
  try {
    const { payload } = await jwtVerify(
      token,
      (header) => {
        const chosen = choose(header)
        if (chosen === undefined) throw invalidToken('its signature is not by a trusted key')
        if (!chosen.algorithms.includes(header.alg)) throw invalidToken('its algorithm does not fit its key')
        return chosen.key
      },
      { ...options, clockTolerance: CLOCK_SKEW_SECONDS, requiredClaims: ['exp'] },
    )
    return payload as JWTPayload & { exp: number }
  } catch (error) {
    if (error instanceof errors.JOSEError) throw invalidToken(error.message)
    throw error
  }
}

/** The error for an invalid token. The client sees the reason, so it must contain nothing that is not in the
 *  token. */
export function invalidToken(reason: string): RegistryError {
  return new RegistryError('UNAUTHORIZED', { detail: { reason: `the token is rejected: ${reason}` } })
}

const access = z.array(
  z
    .object({ type: z.string(), name: z.string(), actions: z.array(z.string()).nullish() })
    .transform((entry) => ({
      ...entry,
      actions: entry.actions ?? [],
    })),
)

/** The permissions in a token's `access`.
 *  @throws RegistryError UNAUTHORIZED if they are malformed */
export function accessOf(claims: JWTPayload): readonly ResourceActions[] {
  const parsed = access.safeParse(claims.access ?? [])
  if (!parsed.success) throw invalidToken('its access is no list of permissions')
  return parsed.data
}
