/** A real server in a process of its own. It is ready when it says so, never after a guess; and it never outlives the
 *  tests, whatever happens to them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

export interface ServerCommand {
  readonly file: string
  readonly arguments: readonly string[]
  /** Added to the environment of the tests. */
  readonly environment?: Readonly<Record<string, string>>
  readonly workingFolder?: string
  /** The base URL, once a line of output tells it. */
  readyUrl(line: string): string | undefined
  /** Is shown every line of output. */
  readonly onLine?: ((line: string) => void) | undefined
  /** How long it may take to become ready. Default: 30 s. */
  readonly readyTimeoutMilliseconds?: number
}

const standardReadyTimeoutMilliseconds = 30_000
const keptLines = 2_000
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) killGroup(child)
})

export class ServerProcess implements AsyncDisposable {
  /** Like `http://127.0.0.1:41231`, without a slash at the end. */
  readonly url: string
  readonly #child: ChildProcess
  readonly #lines: readonly string[]
  readonly #exited: Promise<number | null>

  private constructor(url: string, { child, lines, exited }: StartedChild) {
    this.url = url
    this.#child = child
    this.#lines = lines
    this.#exited = exited
  }

  /** @throws Error with what the server printed, when it ends or is not ready in time. */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const started = spawnServer(command)
    return new ServerProcess(await urlWhenReady(command, started), started)
  }

  /** As clients write it in an image's name: `127.0.0.1:41231`. */
  get address(): string {
    return new URL(this.url).host
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** The last lines of its output. */
  get output(): string {
    return this.#lines.join('\n')
  }

  /** Its exit code once it has ended, null when a signal ended it. */
  get exited(): Promise<number | null> {
    return this.#exited
  }

  /** Asks it to stop, and waits until it has. Returns its exit code, null when a signal ended it. */
  stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    return this.#exited
  }

  /** Ends it, and whatever it has started, in the middle of what they do. */
  async kill(): Promise<void> {
    killGroup(this.#child)
    await this.#exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

interface StartedChild {
  readonly child: ChildProcess
  readonly lines: string[]
  readonly exited: Promise<number | null>
}

function spawnServer(command: ServerCommand): StartedChild {
  const child = spawn(command.file, command.arguments, {
    cwd: command.workingFolder,
    env: { ...process.env, ...command.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // the leader of a process group, which can be killed as one
  })
  running.add(child)
  const exited = once(child, 'exit').then(([code]: unknown[]) => {
    running.delete(child)
    return typeof code === 'number' ? code : null
  })
  return { child, lines: [], exited }
}

function urlWhenReady(command: ServerCommand, { child, lines, exited }: StartedChild): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const fail = (why: string) => reject(new Error(`${command.file}: ${why}\n${lines.join('\n')}`))
  const timer = setTimeout(() => {
    killGroup(child)
    fail('not ready in time')
  }, command.readyTimeoutMilliseconds ?? standardReadyTimeoutMilliseconds)
  const onLine = (line: string) => {
    command.onLine?.(line)
    lines.push(line)
    if (lines.length > keptLines) lines.shift()
    const url = command.readyUrl(line)
    if (url !== undefined) resolve(url)
  }
  for (const stream of [child.stdout, child.stderr]) readLines(stream, onLine)
  exited.then(
    (code) => fail(`ended with ${code} before it was ready`),
    (cause: unknown) => reject(cause),
  )
  return promise.finally(() => clearTimeout(timer))
}

function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', onLine)
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
