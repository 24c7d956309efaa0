import { constants } from 'node:fs'
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A fresh folder for one test or one suite; it goes with all that is in it when it is disposed of. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string
  remove(): Promise<void>
}

/** @param options.inMemory in a file system in memory, where there is one: for content that takes ten thousand syncs to write, and
 *  whose durability is not tested */
export async function temporaryFolder({ inMemory = false } = {}): Promise<TemporaryFolder> {
  const parent = inMemory && (await isWritable(MEMORY)) ? MEMORY : tmpdir()
  const path = await mkdtemp(join(parent, 'entrepot-test-'))
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 3 })
  return { path, remove, [Symbol.asyncDispose]: remove }
}

const MEMORY = '/dev/shm'

function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  )
}
