/** The checks of Distribution's `health` section; see docs/configuration.md. */
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { connect, type TcpNetConnectOpts } from 'node:net'

export interface Check {
  /** Distribution's name of the check, shown with its failure. */
  readonly name: string
  /** Interval in milliseconds. */
  readonly intervalMs: number
  /** Successive failures that count as unhealthy; 0 and 1 are the same. */
  readonly threshold: number
  /** Time limit in milliseconds, after which it has failed. */
  readonly timeoutMs: number
  /** Runs the check.
   *  @throws Error with the reason of the failure */
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** Fails while the file exists. Operators create it to take a process out of service. */
export async function checkFile(path: string): Promise<void> {
  try {
    await stat(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return
    throw error
  }
  throw new Error('file exists')
}

export interface HttpCheckOptions {
  readonly uri: string
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly statusCode: number
}

/** Fails unless a HEAD request gets the status. */
export async function checkHttp(
  { uri, headers, statusCode }: HttpCheckOptions,
  signal: AbortSignal,
): Promise<void> {
  const pairs = Object.entries(headers).flatMap(([name, values]) =>
    values.map((value): [string, string] => [name, value]),
  )
  const answer = await fetch(uri, { method: 'HEAD', headers: pairs, signal }).catch((cause) => {
    throw new Error(`error while checking ${uri}: ${reasonOf(cause)}`, { cause })
  })
  if (answer.status !== statusCode)
    throw new Error(`downstream service returned unexpected status: ${answer.status}`)
}

/** Fails unless a connection succeeds. */
export async function checkTcp(
  address: string,
  { signal, ...options }: TcpNetConnectOpts & { signal: AbortSignal },
): Promise<void> {
  const socket = connect(options)
  try {
    await once(socket, 'connect', { signal })
  } catch (cause) {
    throw new Error(`connection to ${address} failed: ${reasonOf(cause)}`, { cause })
  } finally {
    socket.destroy()
  }
}

/** The message of an error, or of its cause if that says more. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.cause instanceof Error) return reasonOf(error.cause)
  return error.message || (error as NodeJS.ErrnoException).code || error.name
}
