/** A registry in a process of its own, and whether it is well. */
import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { type OutgoingHttpHeaders, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { expect } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { htpasswdOf, rule } from '../support/access.ts'
import { Authority } from '../support/authority.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { Exposition } from '../support/exposition.ts'
import { Http2Client } from '../support/http2-client.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import type { Ingredients } from './ingredients.ts'

export interface TargetOptions {
  readonly isEncrypted: boolean
  /** With accounts and tokens. Everybody may pull and push all the same. */
  readonly isGuarded: boolean
}

export type Protocol = 'h2' | 'http/1.1'

interface Wellness {
  /** Of a request, the median. */
  readonly milliseconds: number
  /** Files and sockets that are open. */
  readonly handles: number
}

const BLOBS = [Buffer.from('x'), Buffer.from('small'), Buffer.alloc(1024 ** 2, 'large')]
/** A repository that no request of the fuzz names: what is there must be served as before. */
const UNTOUCHED = 'nobody/deletes/here'
const UPLOADS = 5
const SAMPLES = 40
/** What a process keeps that it did not have at first: folders that are synced, threads' own. */
const SPARE_HANDLES = 10

export class Target implements AsyncDisposable {
  readonly isEncrypted: boolean
  ingredients: Ingredients = { digests: BLOBS.map((blob) => digestOf(blob)), uploads: [] }
  readonly #folder: TemporaryFolder
  readonly #server: ServerProcess
  readonly #output: readonly string[]
  #before: Wellness | undefined

  private constructor(
    { isEncrypted }: TargetOptions,
    parts: { folder: TemporaryFolder; server: ServerProcess; output: readonly string[] },
  ) {
    this.isEncrypted = isEncrypted
    this.#folder = parts.folder
    this.#server = parts.server
    this.#output = parts.output
  }

  static async start(options: TargetOptions): Promise<Target> {
    const folder = await temporaryFolder()
    const output: string[] = []
    const config = await configOf(options, folder.path)
    const server = await startEntrepot(
      { dataFolder: join(folder.path, 'data'), configFolder: folder.path, config },
      { onLine: (line) => output.push(line) },
    )
    const target = new Target(options, { folder, server, output })
    await target.#fill()
    target.#before = await target.#measure()
    return target
  }

  /** A connection on which every byte is the test's own. What comes is dropped. */
  async connect(protocol: Protocol): Promise<Socket> {
    const address = { host: '127.0.0.1', port: this.port }
    const socket = this.isEncrypted
      ? connectTls({ ...address, rejectUnauthorized: false, ALPNProtocols: [protocol] })
      : connect(address)
    socket.on('error', () => {})
    await once(socket, this.isEncrypted ? 'secureConnect' : 'connect')
    socket.resume()
    return socket
  }

  /** A connection before any handshake. */
  async connectBare(): Promise<Socket> {
    const socket = connect({ host: '127.0.0.1', port: this.port })
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.resume()
    return socket
  }

  /** @throws when the process has ended, or said that something went wrong */
  expectSound(): void {
    expect(() => process.kill(this.#server.pid, 0), this.#problems.join('\n')).not.toThrow()
    expect(this.#problems).toEqual([])
  }

  /** Once nobody is connected any more: all is as before. */
  async expectAsBefore(): Promise<void> {
    this.expectSound()
    await expect.poll(() => this.#inFlight(), { timeout: 30_000 }).toBe(0)
    const { handles: handlesBefore, milliseconds: before } = this.#before as Wellness
    const mostHandles = handlesBefore + SPARE_HANDLES
    await expect.poll(() => this.#handles(), { timeout: 30_000 }).toBeLessThanOrEqual(mostHandles)
    const { milliseconds } = await this.#measure()
    expect(milliseconds).toBeLessThan(5 * before + 20)
    this.expectSound()
  }

  /** Nothing holds the process up when it is told to stop. */
  async expectToStop(): Promise<void> {
    expect(await this.#server.stop()).toBe(0)
    expect(this.#problems).toEqual([])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.kill()
    await this.#folder.remove()
  }

  get port(): number {
    return Number(new URL(this.#server.url).port)
  }

  /** What no client may cause: a line that is not of the log, or one of the log that is an error. */
  get #problems(): string[] {
    return this.#output.filter((line) => !/^\{"level":"(?:debug|info|warning)",/.test(line))
  }

  async #fill(): Promise<void> {
    for (const name of ['a', UNTOUCHED]) {
      for (const body of BLOBS) {
        await this.#ask(`POST /v2/${name}/blobs/uploads/?digest=${digestOf(body)}`, { body })
      }
    }
    const uploads: string[] = []
    for (let n = 0; n < UPLOADS; n++) {
      uploads.push(String((await this.#ask('POST /v2/a/blobs/uploads/')).headers.location))
    }
    this.ingredients = { ...this.ingredients, uploads }
  }

  async #measure(): Promise<Wellness> {
    const milliseconds: number[] = []
    for (let n = 0; n < SAMPLES; n++) {
      const start = performance.now()
      const answer = await this.#ask(`GET /v2/${UNTOUCHED}/blobs/${this.ingredients.digests[0]}`)
      expect([answer.status, String(answer.body)]).toEqual([200, 'x'])
      milliseconds.push(performance.now() - start)
    }
    using client = await Http2Client.connect(this.#server.url, { rejectUnauthorized: false })
    expect(await client.send('GET /')).toMatchObject({ status: 200 })
    return {
      milliseconds: milliseconds.sort((a, b) => a - b)[SAMPLES / 2] ?? 0,
      handles: await this.#handles(),
    }
  }

  async #handles(): Promise<number> {
    return (await readdir(`/proc/${this.#server.pid}/fd`)).length
  }

  /** By the registry's own count. */
  async #inFlight(): Promise<number> {
    const started = this.#output.find((line) => line.includes('debug server listening')) ?? '{}'
    const answer = await fetch(`${JSON.parse(started).debugAddress}/metrics`)
    const { samples } = new Exposition(await answer.text())
    return samples
      .filter(({ name }) => name === 'registry_http_in_flight_requests')
      .reduce((sum, { value }) => sum + value, 0)
  }

  /** @param request like `GET /v2/` */
  async #ask(request: string, { body, headers }: { body?: Buffer; headers?: OutgoingHttpHeaders } = {}) {
    const [method, path] = request.split(' ')
    const options = { host: '127.0.0.1', port: this.port, method, path, agent: false, headers }
    const outgoing = this.isEncrypted
      ? requestHttps({ ...options, rejectUnauthorized: false })
      : requestHttp(options)
    outgoing.end(body)
    const [incoming] = await once(outgoing, 'response')
    return { status: incoming.statusCode, headers: incoming.headers, body: await buffer(incoming) }
  }
}

async function configOf({ isEncrypted, isGuarded }: TargetOptions, folder: string) {
  const authority = await Authority.create('the authority')
  const { cert, key } = await authority.issue('registry')
  await writeFile(join(folder, 'tls.crt'), cert)
  await writeFile(join(folder, 'tls.key'), key)
  await writeFile(join(folder, 'users'), htpasswdOf(['a']))
  return {
    http: {
      addr: '127.0.0.1:0',
      ...(isEncrypted
        ? { tls: { certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key') } }
        : { h2c: { enabled: true } }),
      debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } },
    },
    ...(isGuarded && {
      auth: {
        htpasswd: { realm: 'fuzz', path: join(folder, 'users') },
        issuer: { service: 'x', issuer: 'fuzz', keys: join(folder, 'keys.json') },
        rules: [rule('**', 'anonymous', '*')],
      },
    }),
  }
}
