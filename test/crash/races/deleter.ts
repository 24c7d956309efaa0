import { setTimeout as delay } from 'node:timers/promises'
import { type Content, contentOf, imageConfig, mediaTypes } from '../../support/oci-image.ts'
import type { Random } from '../../support/random.ts'
import { subject } from '../ledger.ts'
import { ClientOfReplicas } from '../replicas.ts'
import { Game, type Surroundings } from './game.ts'
import { type Attempt, applied, type Change, isExplained, type RepositoryState } from './orders.ts'
import { readState } from './read-state.ts'

const TAGS = ['latest', 'first', 'second']
const MOMENT_MS = 25
const RETRY_MS = 300
/** More than the lease of a process that was killed while it deleted. */
const PATIENCE_MS = 90_000
const BLOB_BYTES = 500

/** What a race is about: two manifests and a blob, by their names. */
interface Raced {
  readonly a: string
  readonly b: string
  readonly blob: string
}

/** Deletes manifests and blobs while they are pushed, and tagged, in a repository of its own. */
export class Deleter {
  readonly #repository: string
  readonly #random: Random
  readonly #around: Surroundings
  readonly #layer: Content
  readonly #config: Content
  /** Of the race, by name. */
  readonly #contents = new Map<string, Content>()
  #state: RepositoryState = { contents: new Set(), tags: new Map() }

  constructor(number: number, { random, around }: { random: Random; around: Surroundings }) {
    this.#repository = `race/deleted-${number}`
    this.#random = random
    this.#around = around
    this.#layer = contentOf(random.bytes(1_000), mediaTypes.plainLayer)
    const { descriptor } = this.#layer
    this.#config = imageConfig([{ descriptor, diffId: descriptor.digest }])
  }

  async raceUntil(stopped: AbortSignal): Promise<void> {
    const client = new ClientOfReplicas(this.#around.replicas)
    for (const { bytes } of [this.#layer, this.#config]) await client.pushBlob(this.#repository, bytes)
    for (let round = 1; !stopped.aborted; round++) await this.#race(round)
  }

  async #race(round: number): Promise<void> {
    const title = `deletion ${round} of ${this.#repository}`
    const game = new Game(title, { random: this.#random, around: this.#around })
    const raced = this.#raced(round)
    for (const change of this.#beginning(raced)) {
      await this.#attempt(game, change)
      this.#state = applied(this.#state, change)
    }
    game.log(`before: ${describe(this.#state)}`)
    const looks = [raced.a, raced.blob, `manifests/${TAGS[0]}`].map((name) => this.#look(game, name))
    const changes = this.#changes(raced).map((change) => this.#soon(game, change))
    const attempts = (await Promise.all(changes)).flat()
    await Promise.all(looks)
    await this.#expectExplained(game, attempts, Object.values(raced))
  }

  /** Content that nobody has pushed yet. */
  #raced(round: number): Raced {
    const manifest = (name: string) => {
      const json = {
        schemaVersion: 2,
        mediaType: mediaTypes.manifest,
        config: this.#config.descriptor,
        layers: [this.#layer.descriptor],
        ...(this.#random.below(3) === 0 && { subject }),
        annotations: { name },
      }
      return this.#add('manifests', contentOf(Buffer.from(JSON.stringify(json)), mediaTypes.manifest))
    }
    const blob = this.#add('blobs', contentOf(this.#random.bytes(BLOB_BYTES), mediaTypes.plainLayer))
    return { a: manifest(`a ${round}`), b: manifest(`b ${round}`), blob }
  }

  /** @returns its name */
  #add(kind: 'blobs' | 'manifests', content: Content): string {
    const name = `${kind}/${content.descriptor.digest}`
    this.#contents.set(name, content)
    return name
  }

  /** One manifest with a tag or two, and what else may be there. */
  #beginning({ a, b, blob }: Raced): Change[] {
    const coin = () => this.#random.below(2) === 0
    const second = this.#random.pick(TAGS)
    const changes: Change[] = [{ kind: 'push', content: a, tag: TAGS[0] }]
    if (coin()) changes.push({ kind: 'push', content: a, tag: second })
    if (coin()) changes.push({ kind: 'push', content: b })
    if (coin()) changes.push({ kind: 'push', content: blob })
    return changes
  }

  /** A deletion, a push that it concerns, and what else may happen meanwhile. */
  #changes({ a, b, blob }: Raced): Change[] {
    const tag = () => this.#random.pick(TAGS)
    const pushes: Change[] = [
      { kind: 'push', content: b, tag: TAGS[0] },
      { kind: 'push', content: a, tag: tag() },
    ]
    const others: Change[] = [
      { kind: 'push', content: a },
      { kind: 'push', content: a, tag: tag() },
      { kind: 'push', content: b, tag: tag() },
      { kind: 'push', content: blob },
      { kind: 'push', content: blob },
      { kind: 'delete', content: a },
      { kind: 'delete', content: b },
      { kind: 'delete', content: blob },
      { kind: 'untag', tag: tag() },
    ]
    const more = Array.from({ length: this.#random.below(5) }, () => this.#random.pick(others))
    return [{ kind: 'delete', content: a }, this.#random.pick(pushes), ...more]
  }

  /** Whoever asks may make a process remember what is being deleted. */
  async #look(game: Game, name: string): Promise<void> {
    await game.pause(MOMENT_MS)
    await game.send(`HEAD /v2/${this.#repository}/${name}`)
  }

  async #soon(game: Game, change: Change): Promise<Attempt[]> {
    await game.pause(MOMENT_MS)
    return this.#attempt(game, change)
  }

  /** Until it is done or refused. What came of the attempts before that is one that nobody knows of. */
  async #attempt(game: Game, change: Change): Promise<Attempt[]> {
    const begun = performance.now()
    let unknown: Attempt | undefined
    while (performance.now() - begun < PATIENCE_MS) {
      const startedAt = performance.now()
      const outcome = await this.#send(game, change)
      const attempt = { change, outcome, startedAt, endedAt: performance.now() }
      if (outcome !== 'unknown') return unknown === undefined ? [attempt] : [unknown, attempt]
      unknown ??= attempt
      await delay(RETRY_MS)
    }
    game.report(`not done within ${PATIENCE_MS} ms: ${JSON.stringify(change)}`)
    return unknown === undefined ? [] : [unknown]
  }

  async #send(game: Game, change: Change): Promise<Attempt['outcome']> {
    const answer = await game.send(...this.#request(change))
    if (answer === undefined || answer.status >= 500) return 'unknown'
    if (answer.status === (change.kind === 'push' ? 201 : 202)) return 'done'
    if (answer.status === 404 && change.kind !== 'push') return 'refused'
    game.report(`${JSON.stringify(change)} was answered ${answer.status} ${answer.body}`)
    return 'unknown'
  }

  #request(change: Change): Parameters<Game['send']> {
    const path = `/v2/${this.#repository}`
    if (change.kind === 'untag') return [`DELETE ${path}/manifests/${change.tag}`]
    const { content } = change
    if (change.kind === 'delete') return [`DELETE ${path}/${content}`]
    const { bytes, descriptor } = this.#contents.get(content)!
    if (content.startsWith('blobs/'))
      return [`POST ${path}/blobs/uploads/?digest=${descriptor.digest}`, { body: bytes }]
    const headers = { 'content-type': descriptor.mediaType }
    const target = change.tag === undefined ? content : `manifests/${change.tag}`
    return [`PUT ${path}/${target}`, { headers, body: bytes, note: short(content) }]
  }

  async #expectExplained(game: Game, attempts: readonly Attempt[], raced: readonly string[]): Promise<void> {
    const looked = new Set([...this.#state.contents, ...raced])
    const deadline = performance.now() + this.#around.settleMs
    for (;;) {
      const states = await this.#read(game, looked)
      const [after] = states
      const isOne = states.every((state) => state && describe(state) === describe(after))
      const isRight = after !== undefined && isOne && isExplained(this.#state, attempts, after)
      if (after !== undefined && (isRight || performance.now() > deadline)) {
        if (!isRight) game.report(`no order explains what is there now: ${states.map(describe).join(' | ')}`)
        return this.#settle(looked, after)
      }
      await delay(MOMENT_MS)
    }
  }

  /** What one process says. Where they hear of each other's changes a little later, what each of them says: what one has not heard
   *  of yet may be explained by another order than what has come to pass. */
  #read(game: Game, looked: ReadonlySet<string>): Promise<(RepositoryState | undefined)[]> {
    const { replicas, settleMs } = this.#around
    const asked = settleMs === 0 ? [undefined] : replicas.keys().toArray()
    const repository = this.#repository
    return Promise.all(asked.map((at) => readState(game, { repository, looked, at })))
  }

  /** What is not tagged is left alone from now on. */
  #settle(looked: ReadonlySet<string>, { contents, tags }: RepositoryState): void {
    this.#around.acknowledged.settle(this.#repository, { contents, tags }, looked)
    const tagged = new Set(tags.values())
    this.#state = { contents: new Set([...contents].filter((name) => tagged.has(name))), tags }
    for (const name of looked) if (!this.#state.contents.has(name)) this.#contents.delete(name)
  }
}

function describe(state: RepositoryState | undefined): string {
  if (state === undefined) return 'nothing known'
  const named = Array.from(state.tags, ([tag, name]) => `${tag}=${short(name)}`)
  return `${named.join(' ')}; ${Array.from(state.contents, short).join(' ')}`
}

/** As the log has it. */
function short(name: string): string {
  return name.replace(/sha256:(.{8}).*/, '$1')
}
