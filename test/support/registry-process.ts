/** A running registry of any kind, as tests see it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServerProcess } from './server-process.ts'

export interface RegistryOptions {
  /** Its data folder (`storage.filesystem.rootdirectory`). */
  readonly dataFolder: string
  /** Replaces `filesystem` in `storage`: `{ s3: … }`, and other keys of that section. The data folder is not
   *  used then. */
  readonly storage?: Readonly<Record<string, unknown>>
  /** Folder of its configuration file, usually the data folder's parent. */
  readonly configFolder: string
  /** `none` where another process changes the data too. */
  readonly cache?: 'none' | 'inmemory'
  /** Top-level sections of `config.yml` that replace the ones below. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
  /** Added to the environment of the tests. */
  readonly environment?: Readonly<Record<string, string>>
}

export type StartRegistry = (options: RegistryOptions) => Promise<ServerProcess>

/** The configuration that both registries are tested with: a free port, deletes on. JSON is YAML. */
export async function writeConfig(name: string, options: RegistryOptions): Promise<string> {
  await mkdir(options.dataFolder, { recursive: true })
  const config = {
    version: '0.1',
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: {
      ...(options.storage ?? { filesystem: { rootdirectory: options.dataFolder } }),
      delete: { enabled: true },
      ...(options.cache && { cache: { blobdescriptor: options.cache } }),
    },
    http: { addr: '127.0.0.1:0', secret: 'the same in every process' },
    ...options.config,
  }
  const path = join(options.configFolder, `${name}.yml`)
  await writeFile(path, JSON.stringify(config, null, 2))
  return path
}
