/** Between a driver and a real server: it counts what is asked, and fails on purpose. */
import { once } from 'node:events'
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { seededRandom } from './random.ts'

export interface StoreRequest {
  readonly method: string
  /** As it was sent, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** Undefined where it got through, or until it has. */
  fault?: Fault['kind']
  /** The status of the real server's answer. Undefined until there is one. */
  status?: number
}

export type Fault =
  /** The proxy's own answer: the server behind is not asked. */
  | { kind: 'answer'; status: number; headers?: Readonly<Record<string, string>>; body?: string }
  /** The connection is reset: the server behind is not asked. */
  | { kind: 'reset' }
  /** The server behind has done what it was asked, but its answer does not come: the connection is reset. */
  | { kind: 'lose-answer' }
  /** Sends no answer until the client gives up; the real server gets no request. */
  | { kind: 'stall' }
  /** The server behind is asked once this is fulfilled. */
  | { kind: 'hold'; until: Promise<unknown> }
  /** The answer's head comes as it is, and so many bytes of its body; then the connection ends. */
  | { kind: 'truncate'; bytes: number }

/** Chooses a fault for a request; undefined lets it through. */
export type ChooseFault = (asked: StoreRequest) => Fault | undefined

/** Passes requests on as they are, with the `Host` that the client may have signed. */
export class FaultyProxy implements AsyncDisposable {
  /** Every request since the start or the last `forget`, in order; those that were made to fail too. */
  readonly requests: StoreRequest[] = []
  /** May be replaced at any time. */
  fault: ChooseFault
  readonly #server: Server
  readonly #upstream: URL
  /** One connection a request: one that the server closes at the same moment would be a fault that nobody chose. */
  readonly #agent = new Agent({ keepAlive: false })

  private constructor(upstream: string, fault: ChooseFault) {
    this.#upstream = new URL(upstream)
    this.fault = fault
    const take = (incoming: IncomingMessage, answer: ServerResponse) => this.#take(incoming, answer)
    this.#server = createServer({ requestTimeout: 0 }, take).on('checkContinue', take)
  }

  /** @param upstream like `http://127.0.0.1:9000` */
  static async start(upstream: string, fault: ChooseFault = () => undefined): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(upstream, fault)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  /** Like `http://127.0.0.1:41231`. */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Empties the record. */
  forget(): void {
    this.requests.length = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    this.#agent.destroy()
    await closed
  }

  #take(incoming: IncomingMessage, answer: ServerResponse): void {
    const { method = 'GET', url = '/', headers } = incoming
    const [path = '', query] = url.split('?', 2)
    const asked: StoreRequest = { method, path, query: new URLSearchParams(query), headers }
    this.requests.push(asked)
    incoming.on('error', ignoreReset)
    const fault = this.fault(asked)
    if (fault !== undefined) asked.fault = fault.kind
    if (fault?.kind === 'reset') incoming.socket.resetAndDestroy()
    else if (fault?.kind === 'answer') answer.writeHead(fault.status, fault.headers).end(fault.body)
    else if (fault?.kind === 'hold') void this.#passLater(fault.until, { incoming, answer, asked, fault })
    else if (fault?.kind !== 'stall') this.#pass({ incoming, answer, asked, fault })
  }

  async #passLater(until: Promise<unknown>, passing: Passing): Promise<void> {
    try {
      await until
      this.#pass(passing)
    } catch {
      passing.incoming.socket.resetAndDestroy() // the test says why
    }
  }

  #pass({ incoming, answer, asked, fault }: Passing): void {
    const { hostname, port } = this.#upstream
    const { method, url, rawHeaders } = incoming
    // The array keeps every header as it was signed. @types/node knows objects alone.
    const headers = rawHeaders as unknown as IncomingHttpHeaders
    const onward = request({ hostname, port, path: url, method, headers, agent: this.#agent }, (reply) => {
      asked.status = reply.statusCode
      passAnswer(reply, answer, fault)
    })
    onward.on('error', () => incoming.socket.resetAndDestroy())
    answer.on('close', () => onward.destroy())
    if (incoming.headers.expect !== undefined) answer.writeContinue()
    incoming.pipe(onward)
  }
}

interface Passing {
  readonly incoming: IncomingMessage
  readonly answer: ServerResponse
  readonly asked: StoreRequest
  readonly fault: Fault | undefined
}

function passAnswer(reply: IncomingMessage, answer: ServerResponse, fault: Fault | undefined): void {
  const reset = () => answer.socket?.resetAndDestroy()
  reply.on('error', reset)
  if (fault?.kind === 'lose-answer') {
    reply.on('end', reset).resume()
    return
  }
  answer.writeHead(reply.statusCode ?? 0, reply.rawHeaders)
  if (fault?.kind === 'truncate') passSome(reply, answer, fault.bytes).catch(reset)
  else reply.pipe(answer)
}

async function passSome(reply: IncomingMessage, answer: ServerResponse, bytes: number): Promise<void> {
  let left = bytes
  answer.flushHeaders()
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    if (left > 0) answer.write(chunk.subarray(0, left))
    left -= chunk.length
    if (left <= 0) break
  }
  // Not reset at once: the client is to have these bytes first.
  if (left <= 0) answer.socket?.destroySoon()
  else answer.end()
}

/** A client that gives up is no fault of the test. */
function ignoreReset(): void {}

/** One of the faults for so many of all requests, the same ones in every run with the same seed.
 *  @param rate from 0 (none) to 1 (every one) */
export function atRate(
  rate: number,
  { seed, faults }: { seed: string; faults: readonly Fault[] },
): ChooseFault {
  const random = seededRandom(seed)
  const outOf = 1_000_000
  return () => (random.below(outOf) < rate * outOf ? random.pick(faults) : undefined)
}

/** The fault for the first so many of the requests that are meant. */
export function firstOf(
  count: number,
  { of, fault }: { of: (asked: StoreRequest) => boolean; fault: Fault },
): ChooseFault {
  let left = count
  return (asked) => (of(asked) && left-- > 0 ? fault : undefined)
}
