import { beforeEach, describe, expect, it } from 'vitest'
import type { Invalidation } from '../core/coordination/peers.ts'
import { digestOf } from '../core/digest.ts'
import type { Question, ToWorker } from './messages.ts'
import { WorkerHub } from './worker-hub.ts'

const invalidation: Invalidation = { kind: 'contentEvicted', canonical: digestOf(Buffer.from('one')) }

let hub: WorkerHub
/** The messages sent to each member. */
let sent: Map<number, ToWorker[]>
beforeEach(() => {
  hub = new WorkerHub()
  sent = new Map()
})

function join(id: number): void {
  const received: ToWorker[] = []
  sent.set(id, received)
  hub.join({ id, send: (message) => received.push(message), terminate() {} })
}

async function ask(from: number, question: Question): Promise<boolean | undefined> {
  await hub.ask(from, { id: 7, question })
  const last = sent.get(from)?.findLast(({ kind }) => kind === 'answer')
  return last?.kind === 'answer' ? last.answer : undefined
}

/** The numbers of the invalidations sent to a member. */
function told(member: number): number[] {
  return (sent.get(member) ?? []).flatMap((message) => (message.kind === 'invalidation' ? [message.id] : []))
}

describe('invalidations', () => {
  it('are through when every other member has acknowledged them', async () => {
    for (const id of [1, 2, 3]) join(id)
    const telling = ask(1, { kind: 'publish', invalidation })
    expect([told(1).length, told(2).length, told(3).length]).toEqual([0, 1, 1])
    hub.acknowledge(2, told(2)[0]!)
    await new Promise(setImmediate)
    expect(sent.get(1)).toEqual([])
    hub.acknowledge(3, told(3)[0]!)
    expect(await telling).toBe(true)
  })

  it('do not wait for a member that has left', async () => {
    for (const id of [1, 2]) join(id)
    const telling = ask(1, { kind: 'publish', invalidation })
    hub.leave(2)
    expect(await telling).toBe(true)
  })

  it('of several members at the same time do not get mixed up', async () => {
    for (const id of [1, 2]) join(id)
    const both = Promise.all([
      ask(1, { kind: 'publish', invalidation }),
      ask(2, { kind: 'publish', invalidation }),
    ])
    for (const id of [1, 2]) hub.acknowledge(id, told(id)[0]!)
    expect(await both).toEqual([true, true])
  })
})

describe('a lock', () => {
  const acquire = { kind: 'acquire', name: 'upload' } as const
  const release = { kind: 'release', name: 'upload' } as const

  it('has one holder at a time, among the members and the supervisor', async () => {
    for (const id of [1, 2]) join(id)
    expect(await ask(1, acquire)).toBe(true)
    expect(await ask(2, acquire)).toBe(false)
    expect(await hub.locks.acquire('upload')).toBe(false)
    await ask(2, release)
    expect(await ask(2, acquire)).toBe(false)
    await ask(1, release)
    expect(await hub.locks.acquire('upload')).toBe(true)
    expect(await ask(2, acquire)).toBe(false)
  })

  it('of a member that leaves is released, and one that has left gets none', async () => {
    for (const id of [1, 2]) join(id)
    await ask(1, acquire)
    hub.leave(1)
    await hub.ask(1, { id: 8, question: { kind: 'acquire', name: 'other' } })
    expect(sent.get(1)).toHaveLength(1)
    expect(await ask(2, { kind: 'acquire', name: 'other' })).toBe(true)
    expect(await ask(2, acquire)).toBe(true)
  })
})
