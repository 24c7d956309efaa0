import { pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'

const JOBS = 64

/** Gives the thread pool so much to do that whatever is asked of the file system from now on has to wait for a while,
 *  and what was asked before is done first. Fulfilled when all of that work is done. */
export async function occupyThreads(): Promise<void> {
  const derive = promisify(pbkdf2)
  await Promise.all(Array.from({ length: JOBS }, () => derive('secret', 'salt', 10_000, 32, 'sha256')))
}
