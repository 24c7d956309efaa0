import { Counter, Gauge, type Registry } from 'prom-client'
import type { RequestObserver, ServedRequest } from '../core/request-observer.ts'
import { type Histogram, HistogramFamily } from './histogram.ts'

/** Distribution's names of the API's resources, if they differ. */
const HANDLERS: Readonly<Record<string, string>> = {
  api: 'base',
  apiWithoutSlash: 'base',
  catalog: 'catalog',
  tags: 'tags',
  manifest: 'manifest',
  blob: 'blob',
  uploads: 'blob_upload',
  upload: 'blob_upload_chunk',
}

/** The methods that are label values; others count as one. */
const METHODS = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'CONNECT',
  'TRACE',
  'NOTIFY',
])

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60]
const BYTES = Array.from({ length: 22 }, (_, power) => 1024 * 2 ** power)

/** The metrics of requests, with Distribution's names and labels. Each set of labels has plain numbers of its
 *  own, found by resource, method and status; their number is bounded. */
export class RequestMetrics implements RequestObserver {
  readonly #seconds: HistogramFamily
  readonly #requestBytes: HistogramFamily
  readonly #responseBytes: HistogramFamily
  readonly #byResource = new Map<string, HandlerNumbers>()
  readonly #byHandler = new Map<string, HandlerNumbers>()
  #failedLogins = 0

  constructor(registry: Registry) {
    const family = (name: string, help: string, bounds: number[]) =>
      new HistogramFamily(registry, { name: `registry_http_${name}`, help, bounds })
    this.#seconds = family('request_duration_seconds', 'The HTTP request latencies in seconds.', SECONDS)
    this.#requestBytes = family('request_size_bytes', 'The HTTP request sizes in bytes.', BYTES)
    this.#responseBytes = family('response_size_bytes', 'The HTTP response sizes in bytes.', BYTES)
    registerCounts(registry, this.#byHandler)
    const failedLogins = () => this.#failedLogins
    new Counter({
      name: 'registry_auth_failed_logins_total',
      help: 'Requests with invalid credentials.',
      registers: [registry],
      collect() {
        this.reset()
        this.inc(failedLogins())
      },
    })
    for (const resource of Object.keys(HANDLERS)) this.#of(resource)
  }

  begun(resource: string): void {
    this.#of(resource).inFlight++
  }

  ended(resource: string, { method, status, seconds, requestBytes, responseBytes }: ServedRequest): void {
    const handler = this.#of(resource)
    handler.inFlight--
    handler.requestBytes.observe(requestBytes)
    handler.responseBytes.observe(responseBytes)
    const numbers = handler.methods.get(method) ?? this.#addMethod(handler, method)
    numbers.seconds.observe(seconds)
    numbers.statuses.set(status, (numbers.statuses.get(status) ?? 0) + 1)
  }

  loginFailed(): void {
    this.#failedLogins++
  }

  #of(resource: string): HandlerNumbers {
    return this.#byResource.get(resource) ?? this.#addResource(resource)
  }

  #addResource(resource: string): HandlerNumbers {
    const handler = HANDLERS[resource] ?? resource.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`)
    const numbers = this.#byHandler.get(handler) ?? {
      handler,
      inFlight: 0,
      requestBytes: this.#requestBytes.child({ handler }),
      responseBytes: this.#responseBytes.child({ handler }),
      methods: new Map(),
    }
    this.#byResource.set(resource, numbers)
    this.#byHandler.set(handler, numbers)
    return numbers
  }

  #addMethod({ handler, methods }: HandlerNumbers, asked: string): MethodNumbers {
    const method = METHODS.has(asked) ? asked : 'unknown'
    const numbers = methods.get(method) ?? {
      seconds: this.#seconds.child({ handler, method: method.toLowerCase() }),
      statuses: new Map(),
    }
    methods.set(method, numbers)
    return numbers
  }
}

interface HandlerNumbers {
  readonly handler: string
  inFlight: number
  readonly requestBytes: Histogram
  readonly responseBytes: Histogram
  readonly methods: Map<string, MethodNumbers>
}

interface MethodNumbers {
  readonly seconds: Histogram
  /** Number of responses by status. */
  readonly statuses: Map<number, number>
}

function registerCounts(registry: Registry, handlers: ReadonlyMap<string, HandlerNumbers>): void {
  new Gauge({
    name: 'registry_http_in_flight_requests',
    help: 'The in-flight HTTP requests',
    labelNames: ['handler'],
    registers: [registry],
    collect() {
      for (const { handler, inFlight } of handlers.values()) this.set({ handler }, inFlight)
    },
  })
  new Counter({
    name: 'registry_http_requests_total',
    help: 'Total number of HTTP requests made.',
    labelNames: ['code', 'handler', 'method'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { handler, methods } of handlers.values()) {
        for (const [method, { statuses }] of methods) {
          for (const [code, count] of statuses)
            this.inc({ code, handler, method: method.toLowerCase() }, count)
        }
      }
    },
  })
}
