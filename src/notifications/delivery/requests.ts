import type { StorageDriver } from '../../core/storage-driver.ts'
import type { EventLog } from '../outbox/event-log.ts'
import type { OutboxState, Position } from '../outbox/outbox-state.ts'
import type { OutboxRequest } from '../outbox/request.ts'
import type { EndpointDelivery } from './endpoint-delivery.ts'
import { HeldEvents } from './held-events.ts'

export interface RequestContext {
  readonly storage: StorageDriver
  readonly eventLog: EventLog
  readonly state: OutboxState
  readonly deliveries: ReadonlyMap<string, EndpointDelivery>
  readonly moveTo: (endpoint: string, position: Position) => Promise<void>
}

/** Does what an operator has asked for. */
export async function fulfil(request: OutboxRequest, context: RequestContext): Promise<void> {
  const { endpoint } = request
  if (!Object.hasOwn(context.state.endpoints, endpoint)) return
  const held = new HeldEvents(context.storage, endpoint)
  switch (request.kind) {
    case 'replay':
      return context.moveTo(endpoint, await positionSince(Date.parse(request.since), context))
    case 'drop':
      await context.moveTo(endpoint, { segment: context.state.next, index: 0 })
      await held.removeAll()
      // Once more, for it had read what was held.
      return context.moveTo(endpoint, { segment: context.state.next, index: 0 })
    case 'revive':
      for await (const letter of held.dead()) {
        if (request.id !== undefined && letter.event.id !== request.id) continue
        await (context.deliveries.get(endpoint)?.revive(letter) ?? held.revive(letter.name))
      }
  }
}

/** The first event that is kept and happened at that time or later. */
async function positionSince(
  time: number,
  { state, eventLog }: Pick<RequestContext, 'state' | 'eventLog'>,
): Promise<Position> {
  for (let segment = state.first; segment < state.next; segment++) {
    const events = (await eventLog.read(segment, state))?.events ?? []
    const index = events.findIndex(({ timestamp }) => Date.parse(timestamp) >= time)
    if (index !== -1) return { segment, index }
  }
  return { segment: state.next, index: 0 }
}
