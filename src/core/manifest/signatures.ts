/** Manifests that carry signatures of other manifests: those of sigstore's cosign and of the Notary Project's Notation.
 *  The registry lists them; whether they are worth anything, only a client with the right keys can say. */
import type { Descriptor } from '../descriptor.ts'
import type { Digest } from '../digest.ts'
import { RegistryError } from '../errors.ts'
import { isTag, type Tag } from '../reference.ts'
import type { SignatureKind } from '../registry.ts'
import { parseDescriptor } from './descriptor.ts'
import { type JsonObject, parseDocument } from './document.ts'
import { annotationsOf, isObject } from './referrer.ts'

/** What a referrer of this artifact type carries; undefined when it is no signature. */
export function signatureKindOf(artifactType = ''): Exclude<SignatureKind, 'jws'> | undefined {
  if (artifactType === NOTATION) return 'notation'
  return artifactType === COSIGN || artifactType.startsWith(SIGSTORE_BUNDLE) ? 'cosign' : undefined
}

/** Notary Project, "OCI Signature Specification". */
const NOTATION = 'application/vnd.cncf.notary.signature'
/** Of cosign 2, where it was told to use referrers. */
const COSIGN = 'application/vnd.dev.cosign.artifact.sig.v1+json'
/** Of cosign 3 and later; the version follows. Sigstore, "Cosign Bundle Specification". */
const SIGSTORE_BUNDLE = 'application/vnd.dev.sigstore.bundle'

/** The tag under which cosign keeps signatures unless it uses referrers; undefined for a digest that is too long for
 *  one. Sigstore, "Cosign Signature Specification", "Tag-based Discovery". */
export function cosignTag(digest: Digest): Tag | undefined {
  const tag = `${digest.replace(':', '-')}.sig`
  return isTag(tag) ? tag : undefined
}

export interface CarriedSignature {
  readonly descriptor: Descriptor
  /** Of the manifest and of the signature, which has the last word. */
  readonly annotations: Readonly<Record<string, string>>
}

/** The signatures that a stored manifest carries, each of which is one of its layers. What can't be read is left out. */
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

/** Undefined for what is not as it should be: other registries may have stored anything. */
function tolerantly<Result>(parse: () => Result): Result | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}
