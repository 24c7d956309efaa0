import type { EndpointStatus } from '../core/operations/operations.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import { EventLog } from './outbox/event-log.ts'
import { type EndpointState, NO_OUTBOX_YET, type OutboxState, outboxState } from './outbox/outbox-state.ts'
import { DEAD, folderOf, HELD } from './outbox/paths.ts'

/** Folders are counted no further. */
const MAX_COUNT = 1_000

/** What an outbox holds for each endpoint. Reads one segment of the log for each, and no event that is held or dead. */
export async function outboxStatus(storage: StorageDriver): Promise<readonly EndpointStatus[]> {
  const state = (await outboxState(storage).get())?.state ?? NO_OUTBOX_YET
  const log = new EventLog(storage)
  return Promise.all(
    Object.entries(state.endpoints).map(async ([name, endpoint]) => ({
      name,
      ...(await waitingOf(endpoint, { state, log })),
      heldRepositories: await countOf(storage, `${HELD}/${folderOf(name)}`),
      deadLetters: await countOf(storage, `${DEAD}/${folderOf(name)}`),
      off: endpoint.off ?? null,
    })),
  )
}

async function waitingOf(
  { segment, index, off }: EndpointState,
  { state, log }: { state: OutboxState; log: EventLog },
): Promise<Pick<EndpointStatus, 'waiting' | 'oldestAt'>> {
  const isBehind = off === undefined && segment < state.next
  const found = isBehind ? await log.read(segment, state) : undefined
  const waiting = found === undefined ? 0 : state.written - found.first - index
  return { waiting, oldestAt: (waiting > 0 && found?.events[index]?.timestamp) || null }
}

async function countOf(storage: StorageDriver, folder: string): Promise<number> {
  let count = 0
  for await (const _ of storage.list(folder)) if (++count >= MAX_COUNT) break
  return count
}
