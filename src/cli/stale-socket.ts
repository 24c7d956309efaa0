import { once } from 'node:events'
import { lstat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'

/** Removes the unix socket that a killed process has left, which would prevent listening. Sockets that
 *  answer, and other files, stay. */
export async function removeStaleSocket(path: string): Promise<void> {
  // Plain files would refuse connections too.
  if (await lstat(path).then((found) => !found.isSocket(), isMissing)) return
  const probe = connect({ path })
  try {
    await once(probe, 'connect')
  } catch (error) {
    if (codeOf(error) === 'ECONNREFUSED') await unlink(path)
  } finally {
    probe.destroy()
  }
}

function isMissing(error: unknown): true {
  if (codeOf(error) === 'ENOENT') return true
  throw error
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
