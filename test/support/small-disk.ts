import { temporaryFolder } from './temporary-folder.ts'
import { run } from './tools.ts'

/** A file system of its own, which is soon full. */
export interface SmallDisk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string
}

/** Mounts an empty disk of 4 MiB. Undefined if this user may not mount. */
export async function smallDisk(): Promise<SmallDisk | undefined> {
  const folder = await temporaryFolder()
  const { path } = folder
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path])
  } catch {
    await folder.remove()
    return undefined
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      await run('umount', [path])
      await folder.remove()
    },
  }
}
