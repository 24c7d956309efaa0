import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Answer } from '../../support/http-registry.ts'

const ANSWER_TIMEOUT_MS = 60_000

/** A request on a connection of its own, so that any worker may get it. Its head is sent at once, its body as the test
 *  wants it. */
export class HeldRequest {
  /** Undefined when the connection broke before there was one.
   *  @throws Error when there is none for a minute after the end of the body */
  readonly answer: Promise<Answer | undefined>
  readonly #outgoing: ClientRequest
  #isAnswered = false

  /** @param target a method and a path, like `PATCH /v2/…` */
  constructor(base: string, target: string, headers: OutgoingHttpHeaders = {}) {
    const [method, path = ''] = target.split(' ')
    const outgoing = request(new URL(path, base), { method, headers, agent: false })
    this.#outgoing = outgoing
    const { promise, resolve, reject } = Promise.withResolvers<Answer | undefined>()
    outgoing.on('response', (incoming) => void wholeAnswer(incoming).then(resolve))
    outgoing.on('error', () => resolve(undefined))
    outgoing.setTimeout(ANSWER_TIMEOUT_MS, () => {
      reject(new Error(`${target}: no answer for ${ANSWER_TIMEOUT_MS} ms`))
      outgoing.destroy()
    })
    this.answer = promise.finally(() => {
      this.#isAnswered = true
      outgoing.destroy()
    })
    this.answer.catch(() => undefined) // whoever asks hears of it
    outgoing.flushHeaders()
  }

  /** True once there is nothing more to be sent. */
  get isAnswered(): boolean {
    return this.#isAnswered
  }

  /** Fulfilled when the registry wants the body (the request must have the header `Expect`), or has answered already. */
  async wanted(): Promise<void> {
    await Promise.race([once(this.#outgoing, 'continue'), this.answer]).catch(() => undefined)
  }

  /** Sends a part of the body. */
  send(bytes: Uint8Array): void {
    if (!this.#isAnswered && bytes.length > 0) this.#outgoing.write(bytes)
  }

  /** Hangs up. */
  breakOff(): void {
    if (!this.#isAnswered) this.#outgoing.destroy()
  }

  /** Sends the rest of the body. */
  end(bytes?: Uint8Array): Promise<Answer | undefined> {
    if (!this.#isAnswered) this.#outgoing.end(bytes)
    return this.answer
  }
}

async function wholeAnswer(incoming: IncomingMessage): Promise<Answer | undefined> {
  try {
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: await buffer(incoming) }
  } catch {
    return undefined
  }
}
