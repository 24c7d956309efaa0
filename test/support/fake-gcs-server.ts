import { randomUUID } from 'node:crypto'
import { freePort } from './free-port.ts'
import { GcsFront } from './gcs-front.ts'
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

  /** The value of `STORAGE_EMULATOR_HOST`. */
  get url(): string {
    return this.front.url
  }

  /** @param options.keepsReplaced whether objects that were replaced or removed can still be read by their generation
   *  @returns its name */
  async createBucket(
    name = `bucket-${randomUUID()}`,
    { keepsReplaced = false }: { keepsReplaced?: boolean } = {},
  ): Promise<string> {
    await this.#call('POST', '/b', { name, versioning: { enabled: keepsReplaced } })
    return name
  }

  async deleteBucketWithAll(name: string): Promise<void> {
    for (const key of Object.keys(await this.objects(name))) {
      await this.#call('DELETE', `/b/${name}/o/${encodeURIComponent(key)}`)
    }
    await this.#call('DELETE', `/b/${name}`)
  }

  /** Puts an object there as others would. */
  insert(
    bucket: string,
    { name, content, ...resource }: { name: string; content: string; contentType: string; metadata?: object },
  ): Promise<void> {
    const parts = [JSON.stringify({ name, ...resource }), content]
    const types = ['application/json', resource.contentType]
    const body = parts.map((part, index) => `--part\r\nContent-Type: ${types[index]}\r\n\r\n${part}\r\n`)
    return this.#send('POST', `/upload/storage/v1/b/${bucket}/o?uploadType=multipart&name=${name}`, {
      body: `${body.join('')}--part--\r\n`,
      headers: { 'Content-Type': 'multipart/related; boundary=part' },
    })
  }

  /** The objects of a bucket, by their names. */
  async objects(bucket: string): Promise<Record<string, { contentType: string; size: string }>> {
    const answer = await fetch(`${this.url}/b/${bucket}/o?maxResults=100000`)
    const { items = [] } = (await answer.json()) as {
      items?: { name: string; contentType: string; size: string }[]
    }
    return Object.fromEntries(items.map((item) => [item.name, item]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.front.close()
    await this.#process.kill()
  }

  #call(method: string, path: string, body?: unknown): Promise<void> {
    return this.#send(method, path, { body: JSON.stringify(body) })
  }

  async #send(method: string, path: string, options: RequestInit): Promise<void> {
    const answer = await fetch(this.url + path, { method, ...options })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  }
}
