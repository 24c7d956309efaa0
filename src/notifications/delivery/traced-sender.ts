import type { Span, Tracer } from '../../core/tracing/tracer.ts'
import type { RegistryEvent } from '../event.ts'
import type { Delivery, EventSender } from './sender.ts'

/** Makes a trace of each attempt to deliver events. It has the ids of the requests that the events are about. */
export class TracedSender implements EventSender {
  readonly #sender: EventSender
  readonly #tracer: Tracer
  readonly #endpoint: { readonly name: string; readonly url: URL }

  constructor(sender: EventSender, { tracer, name, url }: { tracer: Tracer; name: string; url: URL }) {
    this.#sender = sender
    this.#tracer = tracer
    this.#endpoint = { name, url }
  }

  get takesSeveral(): boolean {
    return this.#sender.takesSeveral
  }

  send(events: readonly RegistryEvent[], signal: AbortSignal): Promise<Delivery> {
    const { name, url } = this.#endpoint
    const [event] = events
    const attributes = {
      'http.request.method': 'POST',
      'server.address': url.hostname,
      'server.port': Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
      'entrepot.endpoint': name,
      'entrepot.repository': event?.target.repository,
      'entrepot.event.id': event?.id,
      'entrepot.event.action': event?.action,
      'entrepot.event.count': events.length,
      'http.request.id': event?.request?.id,
    }
    return this.#tracer.inSpan(
      { name: 'notification POST', kind: 'client', attributes, isRoot: true },
      async (span) => {
        const delivery = await this.#sender.send(events, signal)
        report(delivery, span)
        return delivery
      },
    )
  }

  close(): Promise<void> {
    return this.#sender.close()
  }
}

function report(delivery: Delivery, span: Span): void {
  if (delivery.kind !== 'error') span.set({ 'http.response.status_code': delivery.status })
  if (delivery.kind === 'refused') span.fail(String(delivery.status))
  if (delivery.kind === 'error') span.fail(delivery.reason)
}
