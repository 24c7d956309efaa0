import type { Answer } from '../../support/http-registry.ts'
import type { Game } from './game.ts'
import type { HeldRequest } from './held-request.ts'

interface ChunkOptions {
  /** Where the request says that the bytes belong. Absent: it does not say. */
  readonly offset?: number | undefined
  /** What the bytes are, for the log. */
  readonly note: string
  /** Number of the process that is asked. Absent: any. */
  readonly at?: number | undefined
}

/** One upload to which several clients write, each request at any process. */
export class AttackedUpload {
  readonly game: Game
  readonly repository: string
  /** Number of the process that has begun it. */
  readonly home: number
  readonly #path: string
  readonly #digests = new Set<string>()
  readonly #held: HeldRequest[] = []

  private constructor(parts: { game: Game; repository: string; home: number; path: string }) {
    this.game = parts.game
    this.repository = parts.repository
    this.home = parts.home
    this.#path = parts.path
  }

  /** Undefined when the process was killed meanwhile. */
  static async begin(game: Game, repository: string): Promise<AttackedUpload | undefined> {
    const home = game.pick()
    const answer = await game.send(`POST /v2/${repository}/blobs/uploads/`, {}, home)
    const { location } = answer?.headers ?? {}
    if (location === undefined) return undefined
    const { pathname, search } = new URL(location, 'http://registry')
    return new AttackedUpload({ game, repository, home, path: pathname + search })
  }

  /** A process other than this one, if there is one. */
  elsewhere(than = this.home): number {
    const { length } = this.game.around.replicas
    return (than + 1 + this.game.random.below(Math.max(1, length - 1))) % length
  }

  patch(bytes: Buffer, { offset, note, at }: ChunkOptions): Promise<Answer | undefined> {
    const headers = rangeOf(offset, bytes.length)
    return this.game.send(`PATCH ${this.#path}`, { headers, body: bytes, note }, at)
  }

  /** Begins to send a chunk; fulfilled when the process is ready to write it, or has refused.
   *  @param length absent: as many bytes as come */
  openPatch(length: number | undefined, { offset, note, at }: ChunkOptions): Promise<HeldRequest> {
    const headers = length === undefined ? CHUNKED : { 'content-length': length, ...rangeOf(offset, length) }
    return this.#open(`PATCH ${this.#path}`, { headers, note, at })
  }

  put(
    digest: string,
    { rest, note, at }: { rest?: Buffer; note: string; at?: number | undefined },
  ): Promise<Answer | undefined> {
    const target = this.#finish(digest)
    const answer = this.game.send(target, { ...(rest && { body: rest }), note }, at)
    return this.#noted(digest, answer)
  }

  /** Begins to finish it, with as many bytes as come. */
  async openPut(
    digest: string,
    { note, at }: { note: string; at?: number | undefined },
  ): Promise<HeldRequest> {
    const held = await this.#open(this.#finish(digest), { headers: CHUNKED, note, at })
    this.#noted(digest, held.answer).catch(() => undefined) // the game hears of it
    return held
  }

  cancel(at?: number): Promise<Answer | undefined> {
    return this.game.send(`DELETE ${this.#path}`, {}, at)
  }

  look(): Promise<Answer | undefined> {
    return this.game.send(`GET ${this.#path}`)
  }

  /** Reads back under all digests that it was finished with. Requests that are still open break off. */
  async expectNeverWrong(): Promise<void> {
    for (const held of this.#held) held.breakOff()
    await Promise.allSettled(this.#held.map(({ answer }) => answer))
    for (const digest of this.#digests) await this.game.expectBlob(this.repository, digest)
  }

  #finish(digest: string): string {
    this.#digests.add(digest)
    this.game.around.acknowledged.ask(this.repository, digest)
    return `PUT ${this.#path}${this.#path.includes('?') ? '&' : '?'}digest=${digest}`
  }

  async #open(
    target: string,
    { headers, note, at }: { headers: object; note: string; at: number | undefined },
  ): Promise<HeldRequest> {
    const held = this.game.hold(target, { headers: { ...headers, expect: '100-continue' }, note }, at)
    this.#held.push(held)
    await held.wanted()
    return held
  }

  async #noted(digest: string, answer: Promise<Answer | undefined>): Promise<Answer | undefined> {
    const given = await answer
    if (given?.status === 201) this.game.around.acknowledged.promise(this.repository, digest)
    return given
  }
}

const CHUNKED = { 'transfer-encoding': 'chunked' }

function rangeOf(offset: number | undefined, length: number): { 'content-range'?: string } {
  return offset === undefined ? {} : { 'content-range': `${offset}-${offset + length - 1}` }
}
