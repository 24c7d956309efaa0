import type { ReferrerDescriptor } from '../../core/descriptor.ts'
import { MediaType } from '../../core/media-type.ts'

export interface IndexPage {
  /** An OCI index, as JSON. */
  readonly body: Buffer
  /** Start of the next page; undefined on the last. */
  readonly next: string | undefined
}

const HEAD = `{"schemaVersion":2,"mediaType":"${MediaType.ociIndex}","manifests":[`
const TAIL = ']}'

/** One page of referrers, as many as fit. Annotations too large for a page are omitted, so that no manifest
 *  can keep later ones from being listed. */
export async function takeIndexPage(
  referrers: AsyncIterable<ReferrerDescriptor>,
  { count, maxBytes }: { count: number; maxBytes: number },
): Promise<IndexPage> {
  const entries: string[] = []
  let length = HEAD.length + TAIL.length
  let last: string | undefined
  if (count === 0) return { body: pageOf(entries), next: undefined }
  for await (const referrer of referrers) {
    const entry = entryOf(referrer, maxBytes - HEAD.length - TAIL.length)
    length += Buffer.byteLength(entry) + 1
    if (entries.length === count || length > maxBytes) return { body: pageOf(entries), next: last }
    entries.push(entry)
    last = referrer.digest
  }
  return { body: pageOf(entries), next: undefined }
}

function entryOf(referrer: ReferrerDescriptor, maxBytes: number): string {
  const entry = JSON.stringify(referrer)
  if (Buffer.byteLength(entry) < maxBytes) return entry
  const { annotations, ...rest } = referrer
  return JSON.stringify(rest)
}

function pageOf(entries: readonly string[]): Buffer {
  return Buffer.from(`${HEAD}${entries.join(',')}${TAIL}`)
}
