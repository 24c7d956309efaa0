import { randomUUID } from 'node:crypto'
import { GcsFront } from './gcs-front.ts'
import { freePort } from './redis-process.ts'
import { ServerProcess } from './server-process.ts'
import { requireTool } from './tools.ts'

/** Google Cloud Storage in memory, in a process of its own, behind a front that does what the program leaves out. */
export class FakeGcsServer implements AsyncDisposable {
  readonly front: GcsFront
  readonly #process: ServerProcess

  private constructor(process: ServerProcess, front: GcsFront) {
    this.#process = process
    this.front = front
  }

  static async start(): Promise<FakeGcsServer> {
    const port = await freePort()
    const server = await ServerProcess.start({
      file: requireTool('fake-gcs-server'),
      arguments: [
        ...['-backend', 'memory', '-scheme', 'http', '-host', '127.0.0.1', '-port', `${port}`],
        ...['-log-level', 'info'],
      ],
      readyUrl: (line) => (line.includes('server started') ? `http://127.0.0.1:${port}` : undefined),
    })
    return new FakeGcsServer(server, await GcsFront.start(server.url))
  }

  /** What `STORAGE_EMULATOR_HOST` is to be. */
  get url(): string {
    return this.front.url
  }

  /** @returns its name */
  async createBucket(): Promise<string> {
    const name = `bucket-${randomUUID()}`
    await this.#call('POST', '/b', { name })
    return name
  }

  deleteBucket(name: string): Promise<void> {
    return this.#call('DELETE', `/b/${name}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.front.close()
    await this.#process.kill()
  }

  async #call(method: string, path: string, body?: unknown): Promise<void> {
    const answer = await fetch(this.url + path, { method, body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  }
}
