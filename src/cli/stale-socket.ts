import { once } from 'node:events'
import { lstat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'

/** Removes the socket that a killed process left at a path: nobody answers there, yet nobody could listen there either.
 *  One that is answered stays, and so does whatever is no socket. */
export async function removeStaleSocket(path: string): Promise<void> {
  // A plain file refuses connections too.
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
