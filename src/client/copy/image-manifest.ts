import { digestOf, hashAlgorithmOf, isDigest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { mediaTypeOf, parseManifest } from '../../core/manifest/parse.ts'
import { SCHEMA1_TYPES } from '../../core/media-type.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { ImageManifest } from './image-store.ts'

/** Reads a manifest of any kind and verifies its digest.
 *  @param contentType as it came with; undefined if the payload decides
 *  @param reference what it was asked for by; a digest must be its own
 *  @throws UpstreamError INVALID */
export function imageManifest(
  payload: Uint8Array,
  { contentType, reference }: { contentType: string | undefined; reference: string | undefined },
): ImageManifest {
  try {
    const manifest = parseManifest(payload, contentType)
    // The signatures of schema 1 are not part of what its digest names.
    const isSchema1 = SCHEMA1_TYPES.has(manifest.mediaType)
    const wanted = reference !== undefined && isDigest(reference) ? reference : undefined
    const digest = digestOf(manifest.payload, wanted && hashAlgorithmOf(wanted))
    if (wanted !== undefined && digest !== wanted)
      throw new UpstreamError('INVALID', { message: `the manifest ${wanted} has the digest ${digest}` })
    return {
      digest,
      mediaType: isSchema1 ? mediaTypeOf(payload) : manifest.mediaType,
      payload,
      references: manifest.references(),
      subject: manifest.subject?.digest,
    }
  } catch (cause) {
    if (!(cause instanceof RegistryError)) throw cause
    throw new UpstreamError('INVALID', { message: `${reference ?? 'the manifest'}: ${cause.message}`, cause })
  }
}
