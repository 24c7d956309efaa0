import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { RequestSpan, RequestTracer } from '../../core/tracing/tracer.ts'
import { printable } from '../../lib/printable.ts'
import { clientAddress } from '../request/client-address.ts'
import { PROBES } from '../request/route.ts'
import { pathWithoutQuery, type RequestLifecycle } from '../request-lifecycle.ts'
import type { HttpSettings } from '../settings.ts'
import { routeTemplate } from './route-templates.ts'

/** Makes a span of each request, except probes, by OpenTelemetry's semantic conventions for HTTP servers. Queries are left out:
 *  they may hold secrets. https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server */
export class TracedRequests {
  readonly #tracer: RequestTracer
  readonly #settings: HttpSettings

  constructor(tracer: RequestTracer, settings: HttpSettings) {
    this.#tracer = tracer
    this.#settings = settings
  }

  /** @returns undefined for a probe */
  begin({ request, id }: RequestLifecycle): RequestSpan | undefined {
    const path = pathWithoutQuery(request)
    if (PROBES.has(path)) return undefined
    const { method = '', headers } = request
    const span = this.#tracer.begin({
      name: methodOf(method),
      headers,
      attributes: {
        'http.request.method': methodOf(method),
        'url.path': printable(path),
        'url.scheme': (request.socket as Partial<TLSSocket>).encrypted ? 'https' : 'http',
      },
    })
    if (span.isRecorded) span.set({ ...this.#client(request), 'http.request.id': id })
    return span
  }

  readonly end = (lifecycle: RequestLifecycle): void => {
    const { span, matched, status, failure } = lifecycle
    if (span === undefined) return
    if (span.isRecorded) {
      const route = matched && routeTemplate(matched.route.resource)
      if (route !== undefined) span.rename(`${methodOf(lifecycle.request.method)} ${route}`)
      span.set({
        'http.route': route,
        'http.response.status_code': status,
        'entrepot.repository': matched?.route.repository,
        'entrepot.error.code': failure?.error.code,
      })
      if (status >= 500) span.fail(String(status))
    }
    span.end()
  }

  #client(request: IncomingMessage) {
    const { headers, method = '', socket, httpVersion } = request
    const [, address, port] = /^(.*?)(?::(\d+))?$/.exec(headers.host ?? '') ?? []
    return {
      'http.request.method_original': methodOf(method) === method ? undefined : printable(method),
      'client.address': clientAddress(request, this.#settings.trustedProxies),
      'network.peer.address': socket.remoteAddress,
      'network.protocol.version': httpVersion === '2.0' ? '2' : httpVersion,
      'server.address': address && printable(address),
      'server.port': port === undefined ? undefined : Number(port),
      'user_agent.original': headers['user-agent'] && printable(headers['user-agent']),
    }
  }
}

const METHODS: ReadonlySet<string | undefined> = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  ...['OPTIONS', 'CONNECT', 'TRACE'],
])

/** Methods are few; any other text of a client counts as one. */
function methodOf(method: string | undefined): string {
  return METHODS.has(method) ? (method ?? '') : '_OTHER'
}
