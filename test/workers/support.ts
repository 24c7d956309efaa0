/** A registry of several processes, and connections of which one knows whom they lead to. */
import { Agent, type ClientRequest, request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { vi } from 'vitest'
import { startEntrepot } from '../support/entrepot-process.ts'
import type { Answer, RequestParts } from '../support/http-registry.ts'
import { RegistryClient } from '../support/registry-client.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

type LogRecord = Readonly<Record<string, unknown>>

export class RegistryOfWorkers implements AsyncDisposable {
  readonly server: ServerProcess
  readonly client: RegistryClient
  readonly #folder: TemporaryFolder
  readonly #connections: KeptConnection[] = []

  private constructor(server: ServerProcess, folder: TemporaryFolder) {
    this.server = server
    this.client = new RegistryClient(server.url)
    this.#folder = folder
  }

  /** @param sections more of the configuration */
  static async start(
    workers: number,
    sections: { http?: object; redis?: object; notifications?: object; proxy?: object } = {},
  ): Promise<RegistryOfWorkers> {
    const folder = await temporaryFolder()
    const config = {
      ...sections,
      log: { formatter: 'json' },
      http: { addr: '127.0.0.1:0', workers, draintimeout: '20s', secret: 'secret', ...sections.http },
    }
    const options = { dataFolder: join(folder.path, 'data'), configFolder: folder.path, config }
    return new RegistryOfWorkers(await startEntrepot(options), folder)
  }

  get port(): number {
    return Number(new URL(this.server.url).port)
  }

  get log(): LogRecord[] {
    return this.server.output.split('\n').map((line) => JSON.parse(line))
  }

  /** The first record in the log, now or later, for which this holds. */
  logged(matches: (record: LogRecord) => boolean): Promise<LogRecord> {
    const find = () => {
      const record = this.log.find(matches)
      if (record === undefined) throw new Error(`not in the log:\n${this.server.output}`)
      return record
    }
    return vi.waitFor(find, { timeout: 20_000, interval: 20 })
  }

  /** The process of a worker. */
  async pidOf(worker: number): Promise<number> {
    const record = await this.logged(
      (one) => one.worker === worker && one.msg === 'a worker listens' && one.workerPid !== undefined,
    )
    return record.workerPid as number
  }

  async connect(): Promise<KeptConnection> {
    const connection = await KeptConnection.open(this)
    this.#connections.push(connection)
    return connection
  }

  /** A connection to each of this many workers; new connections go to them in turn. */
  async connectToEach(workers: number): Promise<KeptConnection[]> {
    const byWorker = new Map<number, KeptConnection>()
    while (byWorker.size < workers) {
      const connection = await this.connect()
      byWorker.set(connection.worker, connection)
    }
    return [...byWorker.values()]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.close()
    await this.server.kill()
    await this.#folder.remove()
  }
}

/** One connection, on which requests follow each other. */
export class KeptConnection {
  /** Who answers on it. */
  readonly worker: number
  readonly #port: number
  readonly #agent: Agent

  private constructor(parts: { worker: number; port: number; agent: Agent }) {
    this.worker = parts.worker
    this.#port = parts.port
    this.#agent = parts.agent
  }

  static async open(registry: RegistryOfWorkers): Promise<KeptConnection> {
    const { port } = registry
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const id = `whose-${port}-${performance.now()}`
    await answerTo(requestOn({ port, agent }, 'GET /v2/', { 'x-request-id': id }).end())
    const { worker } = await registry.logged((record) => record['http.request.id'] === id)
    return new KeptConnection({ worker: worker as number, port, agent })
  }

  /** @param request like `GET /v2/` */
  async send(request: string, { headers, body }: RequestParts = {}): Promise<Answer> {
    return answerTo(this.begin(request, headers).end(body))
  }

  /** A request whose body is the test's own business. */
  begin(request: string, headers: RequestParts['headers'] = {}): ClientRequest {
    return requestOn({ port: this.#port, agent: this.#agent }, request, headers)
  }

  close(): void {
    this.#agent.destroy()
  }
}

function requestOn(
  { port, agent }: { port: number; agent: Agent },
  request: string,
  headers: RequestParts['headers'],
): ClientRequest {
  const [method = '', path = ''] = request.split(' ')
  return httpRequest({ host: '127.0.0.1', port, agent, method, path, headers })
}

export function answerTo(outgoing: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    outgoing.on('error', reject)
    outgoing.on('response', (incoming) => {
      buffer(incoming).then(
        (body) => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body }),
        reject,
      )
    })
  })
}
