import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { RegistryClient } from '../../support/registry-client.ts'
import type { RegistryOptions } from '../../support/registry-process.ts'
import { startRegistry } from '../../support/registry-under-test.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { RecordingProxy } from './recording-proxy.ts'

/** A running registry for the tests of one suite, with a proxy in front that remembers what was asked. */
export interface RegistryInUse {
  /** As clients write it: `127.0.0.1:41231`. */
  readonly address: string
  /** The same registry, through the proxy. */
  readonly recorded: RecordingProxy
  readonly client: RegistryClient
  /** Where it keeps its data. */
  readonly dataFolder: string
  /** A new folder for a test to work in. */
  newFolder(name: string): Promise<string>
}

/** Starts a registry before the tests of the suite and stops it after them. */
export function useRegistry({ config }: Pick<RegistryOptions, 'config'> = {}): RegistryInUse {
  let folder: TemporaryFolder
  let server: ServerProcess
  let recorded: RecordingProxy
  beforeAll(async () => {
    folder = await temporaryFolder()
    server = await startRegistry({ dataFolder: join(folder.path, 'data'), configFolder: folder.path, config })
    recorded = await RecordingProxy.start(server.url)
  })
  afterAll(async () => {
    await recorded?.stop()
    await server?.stop()
    await folder?.remove()
  })
  return {
    get address() {
      return server.address
    },
    get recorded() {
      return recorded
    },
    get client() {
      return new RegistryClient(server.url)
    },
    get dataFolder() {
      return join(folder.path, 'data')
    },
    async newFolder(name) {
      const path = join(folder.path, name)
      await mkdir(path, { recursive: true })
      return path
    },
  }
}
