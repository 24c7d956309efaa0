/** What Distribution's `health` section can ask for: docs/configuration.md. */
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { connect, type TcpNetConnectOpts } from 'node:net'

export interface Check {
  /** Distribution's name for it, under which its failure is shown. */
  readonly name: string
  /** How often it is made, in milliseconds. */
  readonly intervalMs: number
  /** Failures in a row that count; 0 and 1 are the same. */
  readonly threshold: number
  /** After so many milliseconds without an end it has failed. */
  readonly timeoutMs: number
  /** @throws Error that says what is wrong */
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** Fails while the file exists: whoever runs the registry makes it to take a process out of service. */
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

/** Fails unless a HEAD of the address is answered with the status. */
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

/** Fails unless a connection can be made. */
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

/** The text of an error, or of what caused it where that says more. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.cause instanceof Error) return reasonOf(error.cause)
  return error.message || (error as NodeJS.ErrnoException).code || error.name
}
