/** Real Redis servers on free ports, each with a folder of its own. */

import { createClient } from '@redis/client'
import { freePort } from './free-port.ts'
import { ServerProcess } from './server-process.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { requireTool } from './tools.ts'

export interface RedisOptions {
  readonly port?: number
  /** On its port it speaks TLS only. */
  readonly isEncrypted?: boolean
  /** More of its command line: `['--requirepass', 'secret']`. */
  readonly options?: readonly string[]
  /** Added to what `client` connects with. */
  readonly client?: Readonly<Record<string, unknown>>
}

export class RedisProcess implements AsyncDisposable {
  readonly port: number
  /** Where it writes its snapshots. */
  readonly folder: string
  readonly #server: ServerProcess
  readonly #client: Readonly<Record<string, unknown>>
  readonly #dispose: () => Promise<void>

  private constructor(
    parts: {
      port: number
      folder: string
      server: ServerProcess
      dispose: () => Promise<void>
    } & RedisOptions,
  ) {
    this.port = parts.port
    this.folder = parts.folder
    this.#server = parts.server
    this.#client = parts.client ?? {}
    this.#dispose = parts.dispose
  }

  static async start({
    port,
    isEncrypted = false,
    options = [],
    client,
  }: RedisOptions = {}): Promise<RedisProcess> {
    const folder = await temporaryFolder()
    const chosen = port ?? (await freePort())
    const server = await ServerProcess.start({
      file: requireTool('redis-server'),
      arguments: [
        ...(isEncrypted ? ['--port', '0', '--tls-port', `${chosen}`] : ['--port', `${chosen}`]),
        ...['--bind', '127.0.0.1', '--dir', folder.path, '--save', '', '--appendonly', 'no'],
        ...options,
      ],
      readyUrl: (line) =>
        /Ready to accept connections/.test(line) ? `redis://127.0.0.1:${chosen}` : undefined,
    })
    const dispose = async () => {
      await server.kill()
      await folder.remove()
    }
    return new RedisProcess({ port: chosen, folder: folder.path, server, dispose, client })
  }

  /** As it stands in a configuration: `127.0.0.1:6379`. */
  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Runs a command, as an administrator would. */
  async run(...command: string[]): Promise<unknown> {
    const client = createClient({ socket: { host: '127.0.0.1', port: this.port }, ...this.#client })
    client.on('error', () => {})
    await client.connect()
    try {
      return await client.sendCommand(command)
    } finally {
      await client.close()
    }
  }

  /** Lets it stand still, with its connections open. */
  freeze(): void {
    process.kill(this.#server.pid, 'SIGSTOP')
  }

  thaw(): void {
    process.kill(this.#server.pid, 'SIGCONT')
  }

  kill(): Promise<void> {
    return this.#server.kill()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#dispose()
  }
}
