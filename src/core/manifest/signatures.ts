/** Manifests that carry signatures of other manifests: sigstore's cosign and the Notary Project's Notation.
 *  The registry lists them; clients verify them. */
import type { Descriptor } from '../descriptor.ts'
import type { Digest } from '../digest.ts'
import { RegistryError } from '../errors.ts'
import { isTag, type Tag } from '../reference.ts'
import type { SignatureKind } from '../registry.ts'
import { parseDescriptor } from './descriptor.ts'
import { type JsonObject, parseDocument } from './document.ts'
import { annotationsOf, isObject } from './referrer.ts'

/** The kind of signature for an artifact type. Undefined for other artifacts. */
export function signatureKindOf(artifactType = ''): Exclude<SignatureKind, 'jws'> | undefined {
  if (artifactType === NOTATION) return 'notation'
  return artifactType === COSIGN || artifactType.startsWith(SIGSTORE_BUNDLE) ? 'cosign' : undefined
}

/** Notary Project, "OCI Signature Specification". */
const NOTATION = 'application/vnd.cncf.notary.signature'
/** cosign 2 with referrers. */
const COSIGN = 'application/vnd.dev.cosign.artifact.sig.v1+json'
/** cosign 3 and later; a version follows. Sigstore, "Cosign Bundle Specification". */
const SIGSTORE_BUNDLE = 'application/vnd.dev.sigstore.bundle'

/** The tag under which cosign stores signatures unless it uses referrers. Undefined if the digest is too long
 *  for a tag. Sigstore, "Cosign Signature Specification", "Tag-based Discovery". */
export function cosignTag(digest: Digest): Tag | undefined {
  const tag = `${digest.replace(':', '-')}.sig`
  return isTag(tag) ? tag : undefined
}

export interface CarriedSignature {
  readonly descriptor: Descriptor
  /** Annotations of the manifest and of the signature; the signature's take precedence. */
  readonly annotations: Readonly<Record<string, string>>
}

/** The signatures that a stored manifest carries, one per layer. Malformed ones are omitted. */
export function parseSignatures(payload: Uint8Array): readonly CarriedSignature[] {
  const document = tolerantly(() => parseDocument(payload)) ?? {}
  const layers: unknown = document.layers ?? document.blobs
  if (!Array.isArray(layers)) return []
  return layers.flatMap((layer: unknown) => signatureOf(document, layer))
}

function signatureOf(document: JsonObject, layer: unknown): readonly CarriedSignature[] {
  if (!isObject(layer)) return []
  const descriptor = tolerantly(() => parseDescriptor(layer, 'layers'))
  if (descriptor === undefined) return []
  return [{ descriptor, annotations: { ...annotationsOf(document), ...annotationsOf(layer) } }]
}

/** Undefined if parsing fails: other registries may have stored anything. */
function tolerantly<Result>(parse: () => Result): Result | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}
