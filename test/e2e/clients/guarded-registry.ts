import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { htpasswdOf } from '../../support/access.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { writeLayout } from '../../support/oci-layout.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { sampleImage } from './sample-images.ts'

export interface Guarded {
  readonly address: string
  readonly configPath: string
  newFolder(name: string): Promise<string>
  /** A folder with the sample image as an OCI layout, tagged v1. */
  layoutOf(name: string): Promise<string>
}

export interface GuardedSettings {
  /** Each has their name as their password. */
  readonly users: readonly string[]
  readonly rules: readonly object[]
}

/** A registry for the tests of one suite, which knows some users and gives out tokens or not. */
export function useGuardedRegistry(
  kind: 'passwords' | 'tokens',
  { users: names, rules }: GuardedSettings,
): Guarded {
  let folder: TemporaryFolder
  let server: ServerProcess
  beforeAll(async () => {
    folder = await temporaryFolder()
    const users = join(folder.path, 'users')
    await writeFile(users, htpasswdOf(names))
    const auth = {
      htpasswd: { realm: 'here', path: users },
      robots: { path: join(folder.path, 'robots.json') },
      ...(kind === 'tokens' && { issuer: { keys: join(folder.path, 'keys.json') } }),
      rules,
    }
    const options = { dataFolder: join(folder.path, 'data'), configFolder: folder.path }
    server = await startEntrepot({ ...options, config: { auth } })
  })
  afterAll(async () => {
    await server?.stop()
    await folder?.remove()
  })
  const newFolder = async (name: string) => {
    const path = join(folder.path, name)
    await mkdir(path, { recursive: true })
    return path
  }
  return {
    get address() {
      return server.address
    },
    get configPath() {
      return join(folder.path, 'entrepot.yml')
    },
    newFolder,
    async layoutOf(name) {
      const layout = await newFolder(`${name}-layout`)
      await writeLayout(layout, { tag: 'v1', root: sampleImage(name) })
      return layout
    },
  }
}
