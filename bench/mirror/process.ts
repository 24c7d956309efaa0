import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const program = join(import.meta.dirname, 'upstream.ts')

/** What is mirrored, in a process of its own, which ends with this one. */
export class MirrorUpstream {
  readonly url: string
  readonly #child: ChildProcess

  private constructor(url: string, child: ChildProcess) {
    this.url = url
    this.#child = child
  }

  /** @param bytesPerSecond of all its answers together; unlimited by default */
  static async start({ bytesPerSecond = Infinity } = {}): Promise<MirrorUpstream> {
    const child = spawn(process.execPath, [program, `${bytesPerSecond}`], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    const [url] = await once(createInterface({ input: child.stdout! }), 'line')
    return new MirrorUpstream(String(url), child)
  }

  /** The bytes of blobs that it has sent. */
  async sentBytes(): Promise<number> {
    return Number(await (await fetch(`${this.url}/sent`)).text())
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
