import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export const entrepotMain = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export interface CommandResult {
  /** Null when it had to be ended. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly workingFolder?: string
  /** Added to the environment of the tests. */
  readonly environment?: Readonly<Record<string, string>>
  /** Text for standard input. Default: none. */
  readonly input?: string
  /** Time after which it is killed. Default: 25 s. */
  readonly timeoutMs?: number
}

/** Runs `entrepot` from the source to its end. */
export async function runEntrepot(
  args: readonly string[],
  { workingFolder, environment, input, timeoutMs = 25_000 }: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [entrepotMain, ...args], {
    cwd: workingFolder,
    env: { ...process.env, ...environment },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  child.stdin?.end(input)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr }
}
