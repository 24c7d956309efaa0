import { setTimeout as delay } from 'node:timers/promises'
import { digestOf } from '../../../src/core/digest.ts'
import { imageOf, indexOf, type PushedManifest, referrerOf } from '../../gc/untagged-images.ts'
import type { Answer } from '../../support/http-registry.ts'
import type { Random } from '../../support/random.ts'
import type { Loss } from './soak.ts'

/** Sends a request to one of several replicas. */
export type Send = (
  request: string,
  parts?: { headers?: Record<string, string>; body?: Buffer },
) => Promise<Answer>

export interface TaggingClientOptions {
  /** To any of the replicas. */
  readonly send: Send
  readonly random: Random
}

const MAX_KEPT_MS = 400
const MAX_GONE_MS = 1_000

/** Few, so that a client tags what was untagged a moment ago, and is being removed. */
const CHILDREN = Array.from({ length: 8 }, (_, number) => imageOf(`child ${number}`))
const INDEXES = CHILDREN.map((child, number) =>
  indexOf(child, CHILDREN[(number + 1) % CHILDREN.length] as PushedManifest),
)

/** Tags indexes, looks at them as long as they are tagged, and removes the tags. Its tag is its own; the indexes are those of all. */
export class TaggingClient {
  readonly losses: Loss[] = []
  readonly figures = { tagged: 0, refused: 0, untagged: 0, looks: 0 }
  readonly #options: TaggingClientOptions
  readonly #repository: string
  readonly #tag: string
  #number: number | undefined
  /** The signature that was acknowledged while the index was tagged. */
  #signature: PushedManifest | undefined

  constructor(number: number, options: TaggingClientOptions) {
    this.#options = options
    this.#repository = ['a', 'b/c'][number % 2] as string
    this.#tag = `client-${number}`
  }

  async work(isOver: () => boolean): Promise<void> {
    const { random } = this.#options
    while (!isOver()) {
      await this.#push(isOver)
      for (let looks = 1 + random.below(2); looks > 0; looks--) {
        if (!isOver()) await delay(random.below(MAX_KEPT_MS))
        await this.look()
      }
      if (!isOver()) await this.#untag()
    }
  }

  /** What is tagged is whole. */
  async look(send: Send = this.#options.send): Promise<void> {
    if (this.#number === undefined) return
    this.figures.looks++
    const index = INDEXES[this.#number] as PushedManifest
    await this.#expect(send, `manifests/${this.#tag}`, index.bytes)
    for (const child of childrenOf(this.#number)) {
      await this.#expect(send, `manifests/${digestOf(child.bytes)}`, child.bytes)
      for (const blob of child.blobs) {
        const bytes = Buffer.from(blob)
        await this.#expect(send, `blobs/${digestOf(bytes)}`, bytes)
      }
    }
    if (this.#signature === undefined) return
    await this.#expect(send, `manifests/${digestOf(this.#signature.bytes)}`, this.#signature.bytes)
  }

  async #expect(send: Send, place: string, bytes: Buffer): Promise<void> {
    const what = `/v2/${this.#repository}/${place}`
    const { status, body } = await send(`GET ${what}`)
    if (status === 503 || (status === 200 && body.equals(bytes))) return
    this.losses.push({
      what: `${what} of ${this.#tag}`,
      answer: `${status} ${body.toString().slice(0, 200)}`,
    })
  }

  async #push(isOver: () => boolean): Promise<void> {
    const { random } = this.#options
    const number = random.below(INDEXES.length)
    const index = INDEXES[number] as PushedManifest
    while (!isOver()) {
      for (const child of childrenOf(number)) await this.#pushChild(child)
      // Some push it by its digest before, and tag it then.
      if (random.below(3) === 0) await this.#put(index, digestOf(index.bytes))
      if ((await this.#put(index, this.#tag)) !== 201) continue
      this.#number = number
      this.figures.tagged++
      const signature = referrerOf(index, `signature ${random.below(3)} of ${number}`)
      for (const blob of signature.blobs) await this.#pushBlob(blob)
      this.#signature =
        (await this.#put(signature, digestOf(signature.bytes))) === 201 ? signature : undefined
      return
    }
  }

  async #pushChild(child: PushedManifest): Promise<void> {
    const { send, random } = this.#options
    const place = `/v2/${this.#repository}/manifests/${digestOf(child.bytes)}`
    if (random.below(4) > 0 && (await send(`HEAD ${place}`)).status === 200) return
    for (const blob of child.blobs) await this.#pushBlob(blob)
    await this.#put(child, digestOf(child.bytes))
  }

  async #pushBlob(blob: string): Promise<void> {
    const body = Buffer.from(blob)
    const place = `/v2/${this.#repository}/blobs`
    if ((await this.#options.send(`HEAD ${place}/${digestOf(body)}`)).status === 200) return
    const headers = { 'content-type': 'application/octet-stream' }
    await this.#options.send(`POST ${place}/uploads/?digest=${digestOf(body)}`, { headers, body })
  }

  async #put({ bytes: body, type }: PushedManifest, reference: string): Promise<number> {
    const headers = { 'content-type': type }
    const place = `/v2/${this.#repository}/manifests/${reference}`
    const { status, body: answer } = await this.#options.send(`PUT ${place}`, { headers, body })
    if (status === 201) return status
    this.figures.refused++
    if (![400, 404, 503].includes(status))
      this.losses.push({ what: `PUT ${place}`, answer: `${status} ${answer}` })
    return status
  }

  async #untag(): Promise<void> {
    if (this.#number === undefined) return
    this.#number = undefined
    this.#signature = undefined
    for (;;) {
      const { status } = await this.#options.send(`DELETE /v2/${this.#repository}/manifests/${this.#tag}`)
      if (status !== 503) break
      await delay(20)
    }
    this.figures.untagged++
    // Long enough for a collection to find it.
    await delay(this.#options.random.below(MAX_GONE_MS))
  }
}

function childrenOf(number: number): PushedManifest[] {
  return [CHILDREN[number], CHILDREN[(number + 1) % CHILDREN.length]] as PushedManifest[]
}
