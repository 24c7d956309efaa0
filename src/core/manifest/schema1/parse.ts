/** Docker's "Image Manifest Version 2, Schema 1". */

import { type Digest, isDigest, isTarSum } from '../../digest.ts'
import { MediaType, SCHEMA1_LAYER } from '../../media-type.ts'
import { invalidAt, isAbsent, type JsonObject, listIn, requireObject, textIn } from '../document.ts'
import { MANIFEST_KEYS, requireExactKeys, SCHEMA1_LAYER_KEYS } from '../exact-keys.ts'
import type { Manifest, ManifestReference } from '../manifest.ts'
import { type SignedPayload, splitPrettyJws } from './pretty-jws.ts'

/** Parses a manifest with its signatures, as it is pushed, or the payload alone, as it is stored. The
 *  signatures are not verified.
 *  @param document the parsed `content`
 *  @throws RegistryError MANIFEST_INVALID; MANIFEST_UNVERIFIED if the list of signatures is empty */
export function parseSchema1(content: Uint8Array, document: JsonObject): Manifest {
  const signed = isAbsent(document.signatures)
    ? unsigned(content, document)
    : splitPrettyJws(content, document)
  requireSchema1(signed.document)
  const references = layersIn(signed.document)
  return {
    mediaType: MediaType.dockerSchema1,
    payload: signed.payload,
    signatures: signed.signatures,
    madeFor: {
      name: textIn(signed.document, 'name', 'name'),
      tag: textIn(signed.document, 'tag', 'tag'),
    },
    subject: undefined,
    references: () => references,
  }
}

function unsigned(content: Uint8Array, document: JsonObject): SignedPayload {
  return { payload: content, document, signatures: [] }
}

/** Fields of other kinds: no two clients may read one payload as different manifests (CVE-2021-41190). */
const OF_OTHER_KINDS = ['config', 'layers', 'manifests'] as const

/** Checks the fields. Each layer needs its history: clients take the image's configuration from it. */
function requireSchema1(document: JsonObject): void {
  requireExactKeys(document, MANIFEST_KEYS)
  const { schemaVersion } = document
  const foreign = OF_OTHER_KINDS.find((field) => !isAbsent(document[field]))
  if (foreign !== undefined) throw invalidAt(foreign, 'does not belong in schema 1')
  if (schemaVersion !== 1)
    throw invalidAt('schemaVersion', isAbsent(schemaVersion) ? 'is missing' : 'is not 1')
  const layers = listIn(document, 'fsLayers', { optional: false })
  const history = listIn(document, 'history', { optional: false })
  if (layers.length === 0) throw invalidAt('fsLayers', 'is empty')
  if (layers.length !== history.length) throw invalidAt('history', 'has another length than fsLayers')
  for (const [index, entry] of history.entries()) {
    const object = requireObject(entry, `history[${index}]`)
    requireExactKeys(object, SCHEMA1_LAYER_KEYS, `history[${index}]`)
    const { v1Compatibility } = object
    if (typeof v1Compatibility !== 'string') {
      const problem = isAbsent(v1Compatibility) ? 'is missing' : 'is not a string'
      throw invalidAt(`history[${index}].v1Compatibility`, problem)
    }
  }
}

function layersIn(document: JsonObject): readonly ManifestReference[] {
  const layers = listIn(document, 'fsLayers', { optional: false })
  return layers.map((layer, index) => ({
    descriptor: { mediaType: SCHEMA1_LAYER, digest: blobSumIn(layer, `fsLayers[${index}]`), size: 0 },
    kind: 'blob',
    required: true,
    urls: [],
    platform: undefined,
  }))
}

function blobSumIn(layer: unknown, place: string): Digest {
  const object = requireObject(layer, place)
  requireExactKeys(object, SCHEMA1_LAYER_KEYS, place)
  const { blobSum } = object
  if (typeof blobSum === 'string' && (isDigest(blobSum) || isTarSum(blobSum))) return blobSum
  throw invalidAt(
    `${place}.blobSum`,
    isAbsent(blobSum) ? 'is missing' : 'is not sha256:<64 lower-case hex> or sha512:<128 lower-case hex>',
  )
}
