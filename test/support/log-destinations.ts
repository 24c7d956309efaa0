/** A registry whose standard output is the test's own: a pipe that nobody reads, a device that is full. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { entrepotMain } from './command.ts'
import { Exposition } from './exposition.ts'
import { freePorts } from './free-port.ts'
import { type RegistryOptions, writeConfig } from './registry-process.ts'

export interface LoggingOptions {
  readonly folder: string
  readonly formatter: 'text' | 'json' | 'logstash'
  /** A descriptor, or `pipe` for what Node makes: a socket. */
  readonly stdout: number | 'pipe'
  readonly workers?: number
  readonly config?: RegistryOptions['config']
  /** Whose process it is; the tests' own, unless they are root's. */
  readonly uid?: number
  /** What stands before the command: it has to run it in the same process. */
  readonly wrap?: (command: readonly string[]) => readonly string[]
}

/** How long the line of a request is: few of them are a lot. */
const LONG = 30_000

const TAG = 'x'.repeat(100)
const DIGEST = `sha256:${'0'.repeat(64)}`

export interface AskOptions {
  readonly headers?: Record<string, string>
  /** Which log has a long line for each. */
  readonly log?: 'main' | 'audit'
  /** About. */
  readonly characters?: number
}

export class LoggingRegistry implements AsyncDisposable {
  readonly child: ChildProcess
  /** Its exit code, null when a signal ended it. */
  readonly exited: Promise<number | null>
  readonly #port: number
  readonly #debugPort: number
  readonly #agent = new Agent({ keepAlive: true })

  private constructor(child: ChildProcess, [port, debugPort]: readonly [number, number]) {
    this.child = child
    this.#port = port
    this.#debugPort = debugPort
    this.exited = once(child, 'exit').then(([code]) => code as number | null)
  }

  static async start(options: LoggingOptions): Promise<LoggingRegistry> {
    const { folder, formatter, stdout, workers = 1, config, uid, wrap = (command) => command } = options
    const [port = 0, debugPort = 0] = await freePorts(2)
    const debug = { addr: `127.0.0.1:${debugPort}`, prometheus: { enabled: true } }
    const path = await writeConfig('logging', {
      dataFolder: join(folder, 'data'),
      configFolder: folder,
      config: {
        log: { level: 'info', formatter },
        http: { addr: `127.0.0.1:${port}`, workers, draintimeout: '1s', debug },
        ...config,
      },
    })
    const [file = '', ...args] = wrap([process.execPath, entrepotMain, 'serve', path])
    const child = spawn(file, args, {
      stdio: ['ignore', stdout, 'inherit'],
      ...(uid !== undefined && { uid }),
    })
    const registry = new LoggingRegistry(child, [port, debugPort])
    await registry.#listening()
    return registry
  }

  /** Sends a request that is refused as malformed; returns the status. */
  async ask({ headers = {}, log = 'main', characters = LONG }: AskOptions = {}): Promise<number> {
    const [method, path] =
      log === 'main'
        ? ['GET', `/v2/a/manifests/${'x'.repeat(characters)}`]
        : ['PUT', `/v2/a/manifests/${DIGEST}?${`tag=${TAG}&`.repeat(characters / TAG.length)}`]
    const to = { host: '127.0.0.1', port: this.#port, agent: this.#agent }
    const outgoing = request({ ...to, method, path, headers: { ...headers, 'content-length': 0 } }).end()
    const [incoming] = await once(outgoing, 'response', { signal: AbortSignal.timeout(10_000) })
    incoming.resume()
    await once(incoming, 'end')
    return incoming.statusCode
  }

  /** How many lines were dropped, of which log. */
  async dropped(log: 'main' | 'audit' = 'main'): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.#debugPort}/metrics`)
    const metrics = new Exposition(await answer.text())
    return metrics.value('registry_log_dropped_lines_total', { log }) ?? 0
  }

  /** Asks until so many lines of a log were dropped; returns how often. */
  async askUntilDropped(count: number, asking: AskOptions = {}): Promise<number> {
    let asked = 0
    while ((await this.dropped(asking.log)) < count) {
      for (let repetition = 0; repetition < 100; repetition++) await this.ask(asking)
      asked += 100
    }
    return asked
  }

  /** @returns its exit code */
  stop(): Promise<number | null> {
    this.child.kill('SIGTERM')
    return this.exited
  }

  async #listening(): Promise<void> {
    for (const port of [this.#port, this.#debugPort]) {
      while (!(await isListening(port))) {
        if (this.child.exitCode !== null) throw new Error(`ended with ${this.child.exitCode}`)
        await delay(20)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
    this.child.kill('SIGKILL')
    await this.exited
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** A pipe of the system's, of which this process has both ends. */
export class NamedPipe implements Disposable {
  readonly path: string
  /** To be handed to another process. */
  readonly writer: number
  readonly #reader: number
  #isRead = true
  #text = ''

  constructor(folder: string, name = 'pipe') {
    this.path = join(folder, name)
    execFileSync('mkfifo', ['-m', '600', this.path])
    this.#reader = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK)
    this.writer = openSync(this.path, constants.O_WRONLY)
  }

  /** Whether a process that has the writing end waits when the pipe is full. */
  get isWaitedFor(): boolean {
    const flags = /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${this.writer}`, 'utf8'))?.[1] ?? ''
    return (Number.parseInt(flags, 8) & constants.O_NONBLOCK) === 0
  }

  /** What is in it now; empty when nothing is. */
  read(): string {
    const buffer = Buffer.alloc(64 * 1024)
    try {
      return buffer.toString('utf8', 0, readSync(this.#reader, buffer))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return ''
      throw error
    }
  }

  /** The lines that come, those of before as well, until it is enough. */
  async readLines(isEnough: (lines: readonly string[]) => boolean): Promise<string[]> {
    for (;;) {
      const read = this.read()
      this.#text += read
      const lines = this.#text.split('\n').slice(0, -1)
      if (isEnough(lines)) return lines
      if (read === '') await delay(5)
    }
  }

  /** Nobody reads it any more. */
  closeReader(): void {
    if (this.#isRead) closeSync(this.#reader)
    this.#isRead = false
  }

  [Symbol.dispose](): void {
    this.closeReader()
    closeSync(this.writer)
  }
}
