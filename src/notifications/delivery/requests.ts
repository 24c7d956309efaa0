import type { StorageDriver } from '../../core/storage-driver.ts'
import type { EventLog } from '../outbox/event-log.ts'
import type { EndpointState, OutboxState, Position } from '../outbox/outbox-state.ts'
import type { OutboxRequest } from '../outbox/request.ts'
import type { EndpointDelivery } from './endpoint-delivery.ts'
import { HeldEvents } from './held-events.ts'

export interface RequestContext {
  readonly storage: StorageDriver
  readonly eventLog: EventLog
  readonly state: OutboxState
  readonly deliveries: ReadonlyMap<string, EndpointDelivery>
  /** Switches it on, unless that is part of the new state. */
  readonly moveTo: (endpoint: string, to: EndpointState) => Promise<void>
}

/** Does what an operator has asked for. */
export async function fulfil(request: OutboxRequest, context: RequestContext): Promise<void> {
  const { endpoint } = request
  const { endpoints, next } = context.state
  if (!Object.hasOwn(endpoints, endpoint)) return
  const known = endpoints[endpoint]!
  const held = new HeldEvents(context.storage, endpoint)
  switch (request.kind) {
    case 'replay':
      return context.moveTo(endpoint, await positionSince(Date.parse(request.since), context))
    case 'drop': {
      const end = { ...known, segment: next, index: 0 }
      await context.moveTo(endpoint, end)
      await held.removeAll()
      // Once more, for it had read what was held.
      return context.moveTo(endpoint, end)
    }
    case 'revive': {
      let count = 0
      for await (const letter of held.dead()) {
        if (request.id !== undefined && letter.event.id !== request.id) continue
        await (context.deliveries.get(endpoint)?.revive(letter) ?? held.revive(letter.name))
        count++
      }
      const { segment, index, off } = known
      if (off !== undefined && count > 0) await context.moveTo(endpoint, { segment, index })
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
