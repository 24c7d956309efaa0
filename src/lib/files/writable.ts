import { access, constants } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Checks that this process can write a file, or create it with its folders, and changes nothing.
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
