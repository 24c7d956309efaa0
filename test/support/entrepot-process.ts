import { fileURLToPath } from 'node:url'
import { type RegistryOptions, writeConfig } from './registry-process.ts'
import { ServerProcess } from './server-process.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Starts `entrepot serve` from the source, on a free port of 127.0.0.1.
 *  @param onLine is shown every line of its output */
export async function startEntrepot(
  options: RegistryOptions,
  onLine?: (line: string) => void,
): Promise<ServerProcess> {
  const config = await writeConfig('entrepot', options)
  return ServerProcess.start({
    file: process.execPath,
    arguments: [main, 'serve', config],
    workingFolder: options.configFolder,
    readyUrl: listeningUrl,
    onLine,
  })
}

/** Reads Entrepot's log: the line that says where it listens. */
export function listeningUrl(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined
  const record: unknown = JSON.parse(line)
  if (typeof record !== 'object' || record === null) return undefined
  if (!('msg' in record) || !('address' in record)) return undefined
  const { msg, address } = record
  if (typeof msg !== 'string' || typeof address !== 'string') return undefined
  return msg.startsWith('listening') ? address.replace(/\/$/, '') : undefined
}
