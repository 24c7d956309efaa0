import { access, constants } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Looks whether this process could write a file, or make it and the folders that it is in, and changes nothing.
 *  @throws Error of the system */
export async function requireWritable(path: string): Promise<void> {
  try {
    await access(path, constants.W_OK)
  } catch (error) {
    const above = dirname(resolve(path))
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === path) throw error
    await requireWritable(above)
  }
}
