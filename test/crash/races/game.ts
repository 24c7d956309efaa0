import { setTimeout as pause } from 'node:timers/promises'
import type { Answer, RequestParts } from '../../support/http-registry.ts'
import { sha256 } from '../../support/oci-image.ts'
import type { Random } from '../../support/random.ts'
import type { Replica } from '../replicas.ts'
import type { Acknowledged } from './acknowledged.ts'
import type { Findings } from './findings.ts'
import { HeldRequest } from './held-request.ts'
import type { Targets } from './targets.ts'

export interface Surroundings {
  readonly replicas: readonly Replica[]
  /** True where processes are killed meanwhile. */
  readonly isDeadly: boolean
  /** How long it may take until a process hears of what another one has done. */
  readonly settleMs: number
  readonly findings: Findings
  readonly acknowledged: Acknowledged
  readonly targets: Targets
}

type Parts = Pick<RequestParts, 'headers'> & {
  readonly body?: Uint8Array
  /** What the request is to do, for the log. */
  readonly note?: string
}

/** One race: requests at random processes. It keeps a log of them, which is shown when something is wrong. */
export class Game {
  readonly random: Random
  readonly around: Surroundings
  readonly #title: string
  readonly #log: string[] = []
  readonly #startedAt = performance.now()
  readonly #begunAt = Date.now()

  constructor(title: string, { random, around }: { random: Random; around: Surroundings }) {
    this.random = random
    this.around = around
    this.#title = title
    around.findings.count(title.replace(/ \d+.*/, ''))
  }

  /** Number of a process that is up. */
  pick(): number {
    const { replicas } = this.around
    const first = this.random.below(replicas.length)
    const order = replicas.map((_, index) => (first + index) % replicas.length)
    return order.find((index) => replicas[index]?.url !== undefined) ?? first
  }

  /** @returns undefined when the connection broke before there was an answer */
  async send(target: string, parts: Parts = {}, at = this.pick()): Promise<Answer | undefined> {
    const { body } = parts
    const headers = { ...parts.headers, 'content-length': body?.length ?? 0 }
    const held = this.hold(target, { ...parts, headers: body === undefined ? parts.headers : headers }, at)
    return held.end(body)
  }

  /** Sends the head of a request. */
  hold(target: string, { headers, note = '' }: Parts = {}, at = this.pick()): HeldRequest {
    const url = this.around.replicas[at]?.url ?? 'http://127.0.0.1:9'
    const held = new HeldRequest(url, target, headers)
    const name = `${target.replace(/sha256:(.{8})\w+/, '$1').replace(/_state=[^&]+/, '')} ${note} at ${at}`
    this.log(name)
    held.answer.then(
      (answer) => this.#judge(target, name, answer),
      (error: Error) => this.report(error.message),
    )
    return held
  }

  /** Up to so many milliseconds. */
  pause(maxMs: number): Promise<unknown> {
    return pause(this.random.below(maxMs))
  }

  log(line: string): void {
    this.#log.push(`  ${(performance.now() - this.#startedAt).toFixed(0).padStart(6)} ms  ${line}`)
  }

  /** With all that was sent, and the errors that processes have logged since. */
  report(wrong: string): void {
    const errors = this.around.replicas.flatMap(({ output }) =>
      output.filter((line) => this.#isOwnError(line)),
    )
    this.around.findings.report(
      [
        `${this.#title}: ${wrong}`,
        ...this.#log,
        ...errors.slice(-3).map((line) => `  logged: ${line.slice(0, MAX_LINE)}`),
      ].join('\n'),
    )
  }

  /** Reads a blob back: where it is, it has the digest; and it is, once it was acknowledged. */
  async expectBlob(repository: string, digest: string): Promise<void> {
    const at = this.pick()
    const isPromised = this.around.acknowledged.isPromised(repository, digest)
    const answer = await this.send(`GET /v2/${repository}/blobs/${digest}`, {}, at)
    if (answer?.status === 200 && sha256(answer.body) !== digest)
      this.report(`process ${at} serves other bytes as ${repository}@${digest} (${answer.body.length} bytes)`)
    if (answer?.status === 404 && isPromised)
      this.report(`process ${at} does not have ${repository}@${digest}, which was acknowledged`)
  }

  #isOwnError(line: string): boolean {
    if (!line.startsWith('{"level":"error"')) return false
    return Date.parse((JSON.parse(line) as { time: string }).time) >= this.#begunAt
  }

  /** A lost race is a refusal; whatever else is no success, is wrong. */
  #judge(target: string, name: string, answer: Answer | undefined): void {
    this.log(`${name} → ${answer?.status ?? 'no answer'} ${codeOf(answer)}`)
    const { findings, isDeadly } = this.around
    const method = target.split(' ')[0] as string
    findings.count(`${method} ${answer?.status ?? 'unanswered'}`)
    // A refusal may come, and be lost, while the body is still sent.
    const mayBreak = isDeadly || method === 'PATCH' || method === 'PUT'
    if (answer === undefined && !mayBreak) this.report(`${name}: the connection broke`)
    if (answer === undefined || answer.status < 500) return
    if (answer.status === 503 && answer.headers['retry-after'] !== undefined) return
    this.report(`${name}: ${answer.status} ${answer.body}`)
  }
}

/** Of a line of a log, in characters. */
const MAX_LINE = 1_000

function codeOf(answer: Answer | undefined): string {
  if (answer === undefined || answer.status < 400 || answer.body.length === 0) return ''
  const body = answer.body.toString()
  const code = /"code":"(\w+)"/.exec(body)?.[1] ?? ''
  return code === 'DIGEST_INVALID' ? body : code
}
