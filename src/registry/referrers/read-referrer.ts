import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { parseReferrer, type Referrer } from '../../core/manifest/referrer.ts'
import type { BlobPool } from '../blobs/blob-pool.ts'

/** What a stored manifest says of itself as a referrer; undefined when it is missing, damaged or none.
 *  @param names.name what it is to be listed by; the canonical digest where it is absent */
export async function readReferrer(
  pool: BlobPool,
  { canonical, name = canonical }: { canonical: Digest; name?: Digest },
): Promise<Referrer | undefined> {
  const payload = await pool.get(canonical)
  return payload && orUndefined(() => parseReferrer(payload, name))
}

/** What comes of parsing, undefined for what is no manifest: other registries may have stored anything. */
export function orUndefined<Result>(parse: () => Result): Result | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}
