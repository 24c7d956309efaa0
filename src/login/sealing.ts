import { hkdfSync } from 'node:crypto'
import { EncryptJWT, errors, type JWTPayload, jwtDecrypt } from 'jose'
import type { SealedCookie } from '../core/access/sessions.ts'

const KEY_BYTES = 32

/** Encrypts the content of cookies, RFC 7516. Each purpose has a key of its own. */
export class Sealing {
  readonly #key: Uint8Array
  readonly #purpose: string

  /** @param purpose such as `session`: what was sealed for one purpose can't be used for another */
  constructor(secret: string | Uint8Array, purpose: string) {
    this.#purpose = purpose
    this.#key = new Uint8Array(hkdfSync('sha256', secret, '', `entrepot cookie ${purpose}`, KEY_BYTES))
  }

  async seal(content: JWTPayload, lifetimeMs: number): Promise<SealedCookie> {
    // Whole seconds, as the claim has.
    const expiresAt = new Date(Math.floor((Date.now() + lifetimeMs) / 1000) * 1000)
    const value = await new EncryptJWT(content)
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setAudience(this.#purpose)
      .setExpirationTime(expiresAt)
      .encrypt(this.#key)
    return { value, expiresAt }
  }

  /** Undefined if it was not sealed here, or has expired. */
  async open(value: string): Promise<(JWTPayload & { exp: number }) | undefined> {
    try {
      const { payload } = await jwtDecrypt(value, this.#key, {
        audience: this.#purpose,
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
        requiredClaims: ['exp'],
      })
      return payload as JWTPayload & { exp: number }
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
      throw error
    }
  }
}
