/** The envelopes of both generations of CNCF Distribution, one event each.
 *  https://distribution.github.io/distribution/about/notifications/ */
import type { EventTarget, ReferencedContent, RegistryEvent } from '../event.ts'
import type { EncodedEvent } from './format.ts'

const CONTENT_TYPE = 'application/vnd.docker.distribution.events.v2+json'
const OLD_CONTENT_TYPE = 'application/vnd.docker.distribution.events.v1+json'

/** As Distribution 3 sends it. */
export function encodeDistribution3(event: RegistryEvent): EncodedEvent {
  return envelope(CONTENT_TYPE, event, {
    mediaType: event.target.mediaType ?? '',
    digest: event.target.digest ?? '',
    size: event.target.size ?? 0,
    ...contentOf(event),
  })
}

/** As Distribution 2 sends it: what is empty is left out, and so are platforms. */
export function encodeDistribution2(event: RegistryEvent): EncodedEvent {
  const { mediaType, digest, size } = event.target
  const { references, ...content } = contentOf(event)
  return envelope(OLD_CONTENT_TYPE, event, {
    mediaType: mediaType || undefined,
    size: size || undefined,
    digest,
    ...content,
    references: references?.map(({ platform: _, ...reference }) => reference),
  })
}

function envelope(contentType: string, event: RegistryEvent, target: object): EncodedEvent {
  const { id, timestamp, action, request, actor, source } = event
  const told = {
    id,
    timestamp,
    action,
    target,
    request: {
      id: request.id,
      addr: request.address || undefined,
      host: request.host || undefined,
      method: request.method,
      useragent: request.userAgent,
    },
    actor: { name: actor || undefined },
    source,
  }
  return {
    headers: { 'content-type': contentType },
    body: Buffer.from(JSON.stringify({ events: [told] }, undefined, 3)),
  }
}

function contentOf({ target, url }: RegistryEvent) {
  const { size, repository, fromRepository, tag } = target
  return { length: size || undefined, repository, fromRepository, url, tag, references: referencesOf(target) }
}

function referencesOf({ references }: EventTarget) {
  if (references === undefined || references.length === 0) return undefined
  return references.map(({ mediaType, digest, size, urls, platform, ...rest }: ReferencedContent) => ({
    mediaType,
    digest,
    size,
    ...(urls !== undefined && urls.length > 0 && { urls }),
    ...rest,
    ...(platform && { platform }),
  }))
}
