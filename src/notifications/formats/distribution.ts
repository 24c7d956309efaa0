/** The envelopes of both generations of CNCF Distribution. An envelope may have several events, whose order means nothing.
 *  https://distribution.github.io/distribution/about/notifications/ */
import type { EventTarget, ReferencedContent, RegistryEvent } from '../event.ts'
import type { EncodedEvents } from './format.ts'

const CONTENT_TYPE = 'application/vnd.docker.distribution.events.v2+json'
const OLD_CONTENT_TYPE = 'application/vnd.docker.distribution.events.v1+json'

/** As Distribution 3 sends it. */
export function encodeDistribution3(events: readonly RegistryEvent[]): EncodedEvents {
  return envelope(CONTENT_TYPE, events.map(distribution3Event))
}

/** An event as it stands in the envelope of Distribution 3. */
export function distribution3Event(event: RegistryEvent): object {
  const { mediaType = '', digest = '', size = 0 } = event.target
  return eventWith(event, { mediaType, digest, size, ...contentOf(event) })
}

/** As Distribution 2 sends it: what is empty is left out, and so are platforms. */
export function encodeDistribution2(events: readonly RegistryEvent[]): EncodedEvents {
  return envelope(OLD_CONTENT_TYPE, events.map(distribution2Event))
}

function distribution2Event(event: RegistryEvent): object {
  const { mediaType, digest, size } = event.target
  const { references, ...content } = contentOf(event)
  return eventWith(event, {
    mediaType: mediaType || undefined,
    size: size || undefined,
    digest,
    ...content,
    references: references?.map(({ platform: _, ...reference }) => reference),
  })
}

/** Indented as Distribution's where it has one event; in larger ones that would only cost. */
function envelope(contentType: string, events: readonly object[]): EncodedEvents {
  const indentation = events.length === 1 ? 3 : undefined
  return {
    headers: { 'content-type': contentType },
    body: Buffer.from(JSON.stringify({ events }, undefined, indentation)),
  }
}

function eventWith({ id, timestamp, action, request, actor, source }: RegistryEvent, target: object): object {
  return {
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
