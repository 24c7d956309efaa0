/** What SBOMs and attestations say. */
import { asList, asObject, asText } from './manifest.ts'

export interface Package {
  readonly name: string
  readonly version: string
  readonly license: string
}

export interface Statement {
  /** The predicate's type, or the format; empty if unknown. */
  readonly type: string
  readonly packages: readonly Package[]
  /** The document, indented if it is JSON. */
  readonly text: string
}

/** Reads SPDX, CycloneDX, in-toto statements, and envelopes (DSSE) and bundles (Sigstore) around them. */
export function readStatement(text: string): Statement {
  let json: unknown
  try {
    json = unwrap(JSON.parse(text))
  } catch {
    return { type: '', packages: [], text }
  }
  const document = asObject(json)
  const predicateType = asText(document.predicateType)
  const content = predicateType === '' ? document : asObject(document.predicate)
  return {
    type: predicateType || formatOf(content),
    packages: packagesOf(content),
    text: JSON.stringify(json, undefined, 2),
  }
}

/** The signed payload of an envelope, which is JSON in base64. */
function unwrap(value: unknown): unknown {
  const json = asObject(value)
  const { payload } = asObject(json.dsseEnvelope ?? json)
  if (typeof payload !== 'string') return value
  const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0))
  return JSON.parse(new TextDecoder().decode(bytes))
}

function formatOf(content: Readonly<Record<string, unknown>>): string {
  if (content.spdxVersion !== undefined) return asText(content.spdxVersion)
  if (content.bomFormat !== undefined) return `${asText(content.bomFormat)} ${asText(content.specVersion)}`
  return ''
}

function packagesOf(content: Readonly<Record<string, unknown>>): readonly Package[] {
  if (content.bomFormat !== undefined) return asList(content.components).map(readComponent)
  return asList(content.packages).map(readSpdxPackage)
}

function readSpdxPackage(value: unknown): Package {
  const { name, versionInfo, licenseConcluded, licenseDeclared } = asObject(value)
  const license = [licenseConcluded, licenseDeclared]
    .map(asText)
    .find((found) => found !== '' && found !== 'NOASSERTION')
  return { name: asText(name), version: asText(versionInfo), license: license ?? '' }
}

function readComponent(value: unknown): Package {
  const { group, name, version, licenses } = asObject(value)
  const [first] = asList(licenses).map(asObject)
  const { id, name: licenseName } = asObject(first?.license)
  const license = asText(first?.expression) || asText(id) || asText(licenseName)
  return { name: [asText(group), asText(name)].filter(Boolean).join('/'), version: asText(version), license }
}
