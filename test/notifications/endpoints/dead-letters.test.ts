/** Dead letters that an operator drops, and events that are found again. */
import { expect, test } from 'vitest'
import { OutboxAdmin } from '../../../src/notifications/admin.ts'
import { MemoryDriver } from '../../../src/storage/memory.ts'
import { EventReceiver } from '../../support/event-receiver.ts'
import { endpointFor, NotifyingProcess } from '../outbox-under-test.ts'
import { until } from '../support.ts'

test('dead letters are dropped, one or all; their events are in the log still', async () => {
  await using receiver = await EventReceiver.start()
  receiver.answer = (_, response) => response.writeHead(500).end()
  const driver = new MemoryDriver()
  const endpoint = endpointFor({ url: receiver.url, deadLetterMs: 200 })
  await using registry = new NotifyingProcess({ driver, endpoints: [endpoint] })
  await until(() => registry.dispatcher?.isDelivering === true)
  for (const name of ['a', 'b', 'c']) await registry.pushBlob(name, 'bytes')
  await until(() => endpoint.figures.deadLetters === 3)
  const admin = new OutboxAdmin(driver)
  const idOf = (name: string) => receiver.events.find(({ target }) => target.repository === name)!.id
  const dead = async () => {
    const repositories: string[] = []
    for await (const summary of admin.endpoints())
      repositories.push(...summary.dead.map(({ event }) => event.target.repository))
    return repositories.sort()
  }
  expect((await admin.find(idOf('b')))?.where).toBe('a dead letter of receiver: 500')
  expect(await admin.dropDead('receiver', 'none of them')).toBe(0)
  expect(await admin.dropDead('receiver', idOf('b'))).toBe(1)
  expect(await dead()).toEqual(['a', 'c'])
  expect(await admin.find(idOf('b'))).toMatchObject({ where: 'the log', event: { id: idOf('b') } })
  expect(await admin.dropDead('receiver', undefined)).toBe(2)
  expect(await dead()).toEqual([])
  await expect(admin.dropDead('nobody', undefined)).rejects.toThrow('there is no endpoint nobody')
})
