/** CloudEvents 1.0.2 over HTTP, in both modes. https://github.com/cloudevents/spec */
import type { RegistryEvent } from '../event.ts'
import { distribution3Event } from './distribution.ts'
import type { EncodedEvents } from './format.ts'

/** Structured mode: attributes and data in one JSON document. */
export function encodeCloudEvent([event]: readonly RegistryEvent[]): EncodedEvents {
  return {
    headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
    body: Buffer.from(JSON.stringify({ ...attributesOf(event!), data: distribution3Event(event!) })),
  }
}

/** Binary mode: attributes in headers, data in the body. */
export function encodeBinaryCloudEvent([event]: readonly RegistryEvent[]): EncodedEvents {
  const { datacontenttype, ...attributes } = attributesOf(event!)
  const headers: Record<string, string> = { 'content-type': datacontenttype }
  for (const [name, value] of Object.entries(attributes)) headers[`ce-${name}`] = percentEncoded(value)
  return { headers, body: Buffer.from(JSON.stringify(distribution3Event(event!))) }
}

function attributesOf({ id, timestamp, action, target, source }: RegistryEvent) {
  return {
    specversion: '1.0',
    id,
    source: `//${source.addr}`,
    type: `io.entrepot.${target.kind}.${action}`,
    subject: subjectOf(target),
    time: timestamp,
    datacontenttype: 'application/json',
  }
}

function subjectOf({ repository, tag, digest }: RegistryEvent['target']): string {
  return tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`
}

/** HTTP Protocol Binding 1.0.2, section 3.1.3.2. */
function percentEncoded(text: string): string {
  return text.replace(/[^\x21\x23\x24\x26-\x7e]/gu, (character) => encodeURIComponent(character))
}
