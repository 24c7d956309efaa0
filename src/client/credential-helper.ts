import { spawn } from 'node:child_process'
import { buffer } from 'node:stream/consumers'
import { type CredentialSource, FetchedCredentials } from './credentials.ts'

export interface CredentialHelper {
  /** The program's name or path. */
  readonly command: string
  /** Milliseconds that its answer is good for; 0 to ask each time, undefined to ask once. */
  readonly lifetimeMs: number | undefined
  /** What it is asked for the credentials of. */
  readonly serverUrl: string
}

const TIMEOUT_MS = 60_000

/** Credentials of a docker credential helper, such as `docker-credential-ecr-login`: it is run with `get`, is
 *  told the URL on its standard input, and answers with JSON.
 *  https://github.com/docker/docker-credential-helpers#development */
export function helperCredentials(helper: CredentialHelper): CredentialSource {
  return new FetchedCredentials(async () => {
    const { Username: username, Secret: password } = Object(await ask(helper))
    if (typeof username !== 'string' || typeof password !== 'string')
      throw new Error(`${helper.command} gave no Username and Secret`)
    return { username, password, expiresAt: Date.now() + (helper.lifetimeMs ?? Infinity) }
  })
}

async function ask({ command, serverUrl }: CredentialHelper): Promise<unknown> {
  const { status, said } = await runHelper(command, 'get', serverUrl)
  // What it said of a failure may hold secrets.
  if (status !== 0) throw new Error(`${command} ended with ${status}`)
  try {
    return JSON.parse(said)
  } catch {
    throw new Error(`${command} gave no JSON`)
  }
}

/** Runs a credential helper.
 *  @param input what it is told on its standard input
 *  @returns its exit status, null if it took too long, and its standard output
 *  @throws Error if it can't be run */
export async function runHelper(
  command: string,
  verb: 'get' | 'store' | 'erase',
  input: string,
): Promise<{ status: number | null; said: string }> {
  const child = spawn(command, [verb], { stdio: ['pipe', 'pipe', 'pipe'], timeout: TIMEOUT_MS })
  const { promise: ended, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('close', resolve)
  child.stdin.on('error', () => {}) // one that reads nothing may have ended before
  child.stdin.end(`${input}\n`)
  const [said, , status] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended])
  return { status, said: said.toString() }
}
