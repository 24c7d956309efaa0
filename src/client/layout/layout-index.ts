import { type Digest, isDigest } from '../../core/digest.ts'
import { MediaType } from '../../core/media-type.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'

/** `index.json` of an OCI layout. OCI Image Specification 1.1, "index.json file". */
export const INDEX_FILE = 'index.json'
export const LAYOUT_FILE = 'oci-layout'
export const LAYOUT_VERSION = `${JSON.stringify({ imageLayoutVersion: '1.0.0' })}\n`
export const MAX_INDEX_BYTES = 64 * 1024 ** 2

const REF_NAME = 'org.opencontainers.image.ref.name'

export interface LayoutEntry {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
  readonly [key: string]: unknown
}

/** @throws UpstreamError INVALID */
export function entriesOf(text: string, layout: string): readonly LayoutEntry[] {
  let index: unknown
  try {
    index = JSON.parse(text)
  } catch (cause) {
    throw new UpstreamError('INVALID', { message: `${layout}: ${INDEX_FILE} is not JSON`, cause })
  }
  const { manifests } = Object(index)
  const entries: unknown[] = Array.isArray(manifests) ? manifests : []
  const isEntry = (entry: unknown): entry is LayoutEntry => isDigest(String(Object(entry).digest))
  if (!Array.isArray(manifests) || !entries.every(isEntry))
    throw new UpstreamError('INVALID', { message: `${layout}: ${INDEX_FILE} lists no manifests` })
  return entries as LayoutEntry[]
}

export function nameIn({ annotations }: LayoutEntry): string | undefined {
  return annotations?.[REF_NAME]
}

/** The index with another image in it: a name has one image, and an image without a name is listed once. */
export function withEntry(
  entries: readonly LayoutEntry[],
  { name, ...entry }: { mediaType: string; digest: Digest; size: number; name: string | undefined },
): readonly LayoutEntry[] {
  if (name === undefined)
    return entries.some(({ digest }) => digest === entry.digest) ? entries : [...entries, entry]
  const others = entries.filter((one) =>
    nameIn(one) === undefined ? one.digest !== entry.digest : nameIn(one) !== name,
  )
  return [...others, { ...entry, annotations: { [REF_NAME]: name } }]
}

export function indexText(entries: readonly LayoutEntry[]): string {
  return `${JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: entries })}\n`
}
