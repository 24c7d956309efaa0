import { setTimeout as delay } from 'node:timers/promises'
import type { Locks } from '../../core/coordination/locks.ts'

const WAIT_MS = 20

/** Runs work under a lock, once no other worker holds it.
 *  @throws RegistryError UNAVAILABLE; whatever `work` throws */
export async function whenFree<Result>(
  locks: Locks,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  while (!(await locks.acquire(name))) await delay(WAIT_MS)
  try {
    return await work()
  } finally {
    await locks.release(name)
  }
}
