/** What is announced, refused, and told in which order, by several processes over one storage. */
import { expect, test } from 'vitest'
import { RegistryError, StorageError } from '../../src/core/errors.ts'
import { parseRepositoryName } from '../../src/core/reference.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { EventReceiver } from '../support/event-receiver.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { endpointFor, NotifyingProcess } from './outbox-under-test.ts'
import { until } from './support.ts'

const REPOSITORY = parseRepositoryName('a')

test('of two replicas one delivers; when it stops, the other goes on', async () => {
  await using receiver = await EventReceiver.start()
  const driver = new MemoryDriver()
  const endpoints = [endpointFor({ url: receiver.url })]
  await using one = new NotifyingProcess({ driver, endpoints })
  await until(() => one.dispatcher?.isDelivering === true)
  await using other = new NotifyingProcess({ driver, endpoints: [endpointFor({ url: receiver.url })] })
  for (let count = 0; count < 5; count++) {
    await one.pushBlob('a', `one ${count}`)
    await other.pushBlob('a', `other ${count}`)
  }
  await until(() => receiver.events.length >= 10)
  expect(other.dispatcher?.isDelivering).toBe(false)
  expect(receiver.events).toHaveLength(10)
  await one.dispatcher?.stop()
  await one.pushBlob('a', 'last')
  await until(() => receiver.events.length >= 11)
  expect(other.dispatcher?.isDelivering).toBe(true)
})

test('changes that don’t overlap are told in order, whichever replica makes them', async () => {
  await using receiver = await EventReceiver.start()
  const driver = new MemoryDriver()
  await using delivering = new NotifyingProcess({ driver, endpoints: [endpointFor({ url: receiver.url })] })
  const replicas = [0, 1, 2].map(
    () => new NotifyingProcess({ driver, endpoints: [endpointFor({ url: receiver.url })], delivers: false }),
  )
  const names = Array.from({ length: 6 }, (_, index) => `repository${index}`)
  const pushed = await Promise.all(
    names.map(async (name, offset) => {
      const digests: string[] = []
      for (let count = 0; count < 10; count++)
        digests.push(await replicas[(count + offset) % 3]!.pushBlob(name, `${name} ${count}`))
      return digests
    }),
  )
  await until(() => receiver.events.length >= 60)
  for (const [index, name] of names.entries()) {
    const told = receiver.events.filter(({ target }) => target.repository === name)
    expect(told.map(({ target }) => target.digest)).toEqual(pushed[index])
  }
  expect(delivering.dispatcher?.isDelivering).toBe(true)
  for (const replica of replicas) await replica[Symbol.asyncDispose]()
})

const full = new StorageError('NO_SPACE', { path: '/' })

test('a change that can’t be announced is refused, and did not happen', async () => {
  await using receiver = await EventReceiver.start()
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = new NotifyingProcess({ driver, endpoints: [endpointFor({ url: receiver.url })] })
  driver.fault = ({ method, path }) => (method === 'put' && path.includes('/journal/') ? full : undefined)
  await expect(registry.pushBlob('a', 'refused')).rejects.toThrow(RegistryError)
  await expect(registry.pushImage('a', 'latest')).rejects.toThrow(RegistryError)
  driver.fault = () => undefined
  const { blobs, tags } = registry.registry.repository(REPOSITORY)
  expect(await namesOf(blobs.all())).toEqual([])
  expect(await namesOf(tags.all())).toEqual([])
  await registry.pushBlob('a', 'taken')
  await until(() => receiver.events.length === 1)
  expect(receiver.events[0]?.target.size).toBe('taken'.length)
})

test('a change that can’t be announced is accepted, if that is chosen, and told later', async () => {
  await using receiver = await EventReceiver.start()
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = new NotifyingProcess({
    driver,
    endpoints: [endpointFor({ url: receiver.url })],
    onFailure: 'accept',
  })
  driver.fault = ({ method, path }) => (method === 'put' && path.includes('/journal/') ? full : undefined)
  await registry.pushBlob('a', 'bytes')
  driver.fault = () => undefined
  await until(() => receiver.events.length === 1)
})

test('a change that fails is not told', async () => {
  await using receiver = await EventReceiver.start()
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = new NotifyingProcess({ driver, endpoints: [endpointFor({ url: receiver.url })] })
  driver.fault = ({ method, path }) => (method === 'put' && path.includes('/_layers/') ? full : undefined)
  await expect(registry.pushBlob('a', 'fails')).rejects.toThrow()
  driver.fault = () => undefined
  await registry.pushBlob('a', 'works')
  await until(() => receiver.events.length >= 1)
  expect(receiver.events.map(({ target }) => target.digest)).toHaveLength(1)
})

async function namesOf(names: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = []
  for await (const name of names) found.push(name)
  return found
}
