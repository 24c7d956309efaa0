import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { parseReferrer, type Referrer } from '../../core/manifest/referrer.ts'
import type { BlobPool } from '../blobs/blob-pool.ts'

/** Reads a stored manifest as a referrer. Undefined if it is missing, damaged or has no subject.
 *  @param names.name the digest to list it by; the canonical one if absent */
export async function readReferrer(
  pool: BlobPool,
  { canonical, name = canonical }: { canonical: Digest; name?: Digest },
): Promise<Referrer | undefined> {
  const payload = await pool.get(canonical)
  return payload && orUndefined(() => parseReferrer(payload, name))
}

/** The result of parsing. Undefined if it fails: other registries may have stored anything. */
export function orUndefined<Result>(parse: () => Result): Result | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}
