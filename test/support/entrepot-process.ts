import { fileURLToPath } from 'node:url'
import { type RegistryOptions, writeConfig } from './registry-process.ts'
import { ServerProcess } from './server-process.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

interface StartOptions {
  /** Is shown every line of its output. */
  readonly onLine?: ((line: string) => void) | undefined
  /** A program that runs it, such as strace, with its arguments. */
  readonly under?: readonly string[]
}

/** Starts `entrepot serve` from the source, on a free port of 127.0.0.1. */
export async function startEntrepot(
  options: RegistryOptions,
  { onLine, under = [] }: StartOptions = {},
): Promise<ServerProcess> {
  const config = await writeConfig('entrepot', options)
  const [file = '', ...rest] = [...under, process.execPath, main, 'serve', config]
  return ServerProcess.start({
    file,
    arguments: rest,
    workingFolder: options.configFolder,
    ...(options.environment && { environment: options.environment }),
    readyUrl: listeningUrl,
    onLine,
  })
}

/** Reads Entrepot's log: the line that says where it listens. */
export function listeningUrl(line: string): string | undefined {
  if (!line.startsWith('{')) return / msg=listening(?: .*)? address="([^"]+)"/.exec(line)?.[1]
  const record: unknown = JSON.parse(line)
  if (typeof record !== 'object' || record === null) return undefined
  if (!('msg' in record) || !('address' in record)) return undefined
  const { msg, address } = record
  if (typeof msg !== 'string' || typeof address !== 'string') return undefined
  return msg.startsWith('listening') ? address.replace(/\/$/, '') : undefined
}
