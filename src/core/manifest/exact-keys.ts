/** Rejects keys that differ from known ones in case only. Clients in Go ignore the case of keys
 *  (`encoding/json`, `Unmarshal`), so `Layers` beside `layers` would be another manifest to them. */
import { invalidAt, type JsonObject } from './document.ts'

/** The known keys, by their case-folded form. */
export type ExactKeys = ReadonlyMap<string, string>

const keys = (...names: string[]): ExactKeys => new Map(names.map((name) => [fold(name), name]))

/** Keys of manifests of every kind. */
export const MANIFEST_KEYS = keys(
  ...['schemaVersion', 'mediaType', 'artifactType', 'config', 'layers', 'manifests', 'blobs', 'subject'],
  ...['annotations', 'name', 'tag', 'architecture', 'fsLayers', 'history', 'signatures'],
)

export const DESCRIPTOR_KEYS = keys(
  ...['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'platform', 'artifactType'],
)

export const PLATFORM_KEYS = keys('architecture', 'os', 'os.version', 'os.features', 'variant', 'features')

/** Keys of a layer in schema 1, and of its history. */
export const SCHEMA1_LAYER_KEYS = keys('blobSum', 'v1Compatibility')

/** Checks the keys of an object.
 *  @throws RegistryError MANIFEST_INVALID */
export function requireExactKeys(object: JsonObject, known: ExactKeys, place = ''): void {
  for (const key in object) {
    if (key.length > LONGEST_KEY) continue
    const name = known.get(fold(key))
    if (name === undefined || name === key) continue
    throw invalidAt(`${place}${place && '.'}${key}`, `differs from ${name} by its case alone`)
  }
}

const LONGEST_KEY = 'v1Compatibility'.length

/** Unicode's simple case folding to ASCII: includes the long s and the Kelvin sign. */
function fold(key: string): string {
  return key.toLowerCase().replaceAll('\u017f', 's')
}
