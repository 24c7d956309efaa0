import type { Config } from '../config/schema.ts'
import type { Log } from '../core/log.ts'
import { OutboxAdmin } from '../notifications/admin.ts'
import { openDriver } from './storage.ts'

/** Lets an operator look at the outbox of a configuration's storage.
 *  @throws Error if it is in the memory of another process */
export async function withOutbox<Result>(
  { storage }: Config,
  log: Log,
  work: (admin: OutboxAdmin) => Promise<Result>,
): Promise<Result> {
  if (storage.inmemory !== undefined)
    throw new Error('storage.inmemory is in the memory of the registry that serves')
  const driver = await openDriver(storage, log)
  try {
    return await work(new OutboxAdmin(driver))
  } finally {
    await driver.close()
  }
}
