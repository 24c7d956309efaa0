import { type Digest, Digester, hashAlgorithmOf } from '../../core/digest.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import { HELD_BYTES } from '../flight/spool.ts'

/** The bytes of a blob as they come from an upstream, without a buffer. The last ones wait until the digest of all was
 *  verified.
 *  @param skipped the first bytes, which are only hashed because the client has them already
 *  @throws UpstreamError INVALID if the bytes are wrong */
export async function* readUnstored(
  chunks: AsyncIterable<Uint8Array>,
  { digest, size, skipped }: { digest: Digest; size: number; skipped: number },
): AsyncIterable<Uint8Array> {
  const digester = new Digester(hashAlgorithmOf(digest))
  const held: Uint8Array[] = []
  const heldFrom = Math.max(size - HELD_BYTES, skipped)
  let received = 0
  for await (const chunk of chunks) {
    digester.update(chunk)
    const open = chunk.subarray(clamp(skipped - received, chunk), clamp(heldFrom - received, chunk))
    const rest = chunk.subarray(clamp(heldFrom - received, chunk))
    received += chunk.length
    if (received > size) break
    if (rest.length > 0) held.push(rest)
    if (open.length > 0) yield open
  }
  if (received < size)
    throw new UpstreamError('UNREACHABLE', { message: 'the upstream ended in the middle of a blob' })
  if (received > size || digester.digest() !== digest)
    throw new UpstreamError('INVALID', { message: `the upstream's content is not that of ${digest}` })
  yield* held
}

function clamp(position: number, { length }: Uint8Array): number {
  return Math.min(Math.max(position, 0), length)
}
