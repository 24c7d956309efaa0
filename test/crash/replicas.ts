/** Replicas of a registry that are killed and started again, and clients that know of all of them. */
import { expect } from 'vitest'
import {
  RegistryClient,
  type RequestOptions,
  UnexpectedAnswer,
  type UploadState,
} from '../support/registry-client.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { isBrokenConnection } from './pusher.ts'

/** One of several, as a load balancer knows it. */
export class Replica implements AsyncDisposable {
  readonly #start: () => Promise<ServerProcess>
  #server: ServerProcess | undefined
  #hasEnded = false

  constructor(start: () => Promise<ServerProcess>) {
    this.#start = start
  }

  /** Undefined while it is down.
   *  @throws Error when it ended without having been killed */
  get url(): string | undefined {
    if (this.#hasEnded) throw new Error(`a replica ended by itself:\n${this.#server?.output}`)
    return this.#server?.url
  }

  /** The last lines of its output. */
  get output(): readonly string[] {
    return this.#server?.output.split('\n') ?? []
  }

  async start(): Promise<void> {
    const server = await this.#start()
    this.#server = server
    server.exited.then(() => {
      this.#hasEnded = this.#server === server
    })
  }

  async kill(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    await server?.kill()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

interface ClientOptions {
  /** Number of the replica that is asked first. */
  readonly turn?: number
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
  /** Asked only when no other is up. */
  readonly avoided?: Replica | undefined
}

/** Takes turns between the replicas, request by request. What breaks off is tried again at the next one; of an upload it
 *  is asked first how far it came. */
export class ClientOfReplicas extends RegistryClient {
  readonly #replicas: readonly Replica[]
  readonly #options: ClientOptions
  /** Uploads that it asked about and went on with, in the middle. */
  resumed = 0
  #turn: number
  /** The replica that was asked last. */
  #asked: Replica | undefined

  constructor(replicas: readonly Replica[], options: ClientOptions = {}) {
    super('')
    this.#replicas = replicas
    this.#options = options
    this.#turn = options.turn ?? 0
  }

  /** A client that asks any but the replica which this one asked last, while another is up. */
  elsewhere(): RegistryClient {
    return new ClientOfReplicas(this.#replicas, { ...this.#options, avoided: this.#asked })
  }

  protected override get base(): string {
    const up = this.#replicas.filter(({ url }) => url !== undefined)
    const wanted = up.filter((replica) => replica !== this.#options.avoided)
    const choices = wanted.length > 0 ? wanted : up
    this.#asked = choices[this.#turn++ % choices.length]
    if (this.#asked?.url === undefined) throw new Error('no replica is up')
    return this.#asked.url
  }

  /** Resolves when the answer is there as a whole. */
  override async request(path: string, options: RequestOptions): Promise<Response> {
    const headers = { ...this.#options.headers, ...options.headers }
    const isUpload = options.body !== undefined && path.includes('/blobs/uploads/')
    const expected = [...options.expect]
    for (;;) {
      try {
        const answer = await super.request(path, { ...options, headers, expect: expected })
        await answer.clone().arrayBuffer()
        return answer
      } catch (error) {
        if (!isBrokenConnection(error) || isUpload) throw error
        if (options.method === 'DELETE') expected.push(404) // it may have been done
      }
    }
  }

  override async sendChunk(upload: UploadState, chunk: Uint8Array): Promise<UploadState> {
    const end = upload.size + chunk.length
    for (let state = upload; ; ) {
      try {
        if (state.size === end) return state
        return await super.sendChunk(state, chunk.subarray(state.size - upload.size))
      } catch (error) {
        state = await this.#stateAfter(error, upload)
        expect(state.size, `what was acknowledged of ${upload.location}`).toBeGreaterThanOrEqual(upload.size)
      }
    }
  }

  override async finishUpload(
    upload: UploadState,
    { digest, rest = NOTHING }: { digest: string; rest?: Uint8Array },
  ): Promise<void> {
    for (let state = upload; ; ) {
      try {
        const left = rest.subarray(state.size - upload.size)
        return await super.finishUpload(state, { digest, ...(left.length > 0 && { rest: left }) })
      } catch (error) {
        const asked = await this.#stateAfter(error, upload)
        // Where it is finished it is asked for once more, without bytes.
        state = asked.size < upload.size ? { ...asked, size: upload.size + rest.length } : asked
      }
    }
  }

  /** Where an upload is after a request that broke off, or that came too late for what a killed replica had still sent. */
  async #stateAfter(error: unknown, upload: UploadState): Promise<UploadState> {
    const isOutOfStep = error instanceof UnexpectedAnswer && error.status === 416
    if (!isBrokenConnection(error) && !isOutOfStep) throw error
    const state = await this.uploadState(upload.location)
    if (state !== undefined && state.size > 0) this.resumed++
    return state ?? { ...upload, size: 0 }
  }
}

const NOTHING = new Uint8Array()
