/** CloudEvents 1.0.2 over HTTP, in both modes. https://github.com/cloudevents/spec */
import type { RegistryEvent } from '../event.ts'
import { encodeDistribution3 } from './distribution.ts'
import type { EncodedEvent } from './format.ts'

/** Structured mode: attributes and data in one JSON document. */
export function encodeCloudEvent(event: RegistryEvent): EncodedEvent {
  return {
    headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
    body: Buffer.from(JSON.stringify({ ...attributesOf(event), data: dataOf(event) })),
  }
}

/** Binary mode: attributes in headers, data in the body. */
export function encodeBinaryCloudEvent(event: RegistryEvent): EncodedEvent {
  const { datacontenttype, ...attributes } = attributesOf(event)
  const headers: Record<string, string> = { 'content-type': datacontenttype }
  for (const [name, value] of Object.entries(attributes)) headers[`ce-${name}`] = percentEncoded(value)
  return { headers, body: Buffer.from(JSON.stringify(dataOf(event))) }
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

/** The event of Distribution's envelope. */
function dataOf(event: RegistryEvent): unknown {
  const { events } = JSON.parse(Buffer.from(encodeDistribution3(event).body).toString()) as {
    events: unknown[]
  }
  return events[0]
}

/** HTTP Protocol Binding 1.0.2, section 3.1.3.2. */
function percentEncoded(text: string): string {
  return text.replace(/[^\x21\x23\x24\x26-\x7e]/gu, (character) => encodeURIComponent(character))
}
