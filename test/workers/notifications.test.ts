/** Changes and pulls at any worker reach the receiver, and one of them delivers for all. */
import { expect, test } from 'vitest'
import { EventReceiver } from '../support/event-receiver.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { RegistryOfWorkers } from './support.ts'

const WORKERS = 2
const PUSHES = 20

test('what any worker does is told', async () => {
  await using receiver = await EventReceiver.start()
  const notifications = { endpoints: [{ name: 'receiver', url: receiver.url, timeout: '30s' }] }
  await using registry = await RegistryOfWorkers.start(WORKERS, { notifications })
  const pushed = await Promise.all(
    Array.from({ length: PUSHES }, async (_, index) => {
      const client = new RegistryClient(registry.server.url)
      return client.pushBlob(`repository${index % 4}`, Buffer.from(`${index}`))
    }),
  )
  const connections = await registry.connectToEach(WORKERS)
  for (const connection of connections) {
    const { status } = await connection.send(`GET /v2/repository0/blobs/${pushed[0]}`)
    expect(status).toBe(200)
  }
  const told = (action: string) => receiver.events.filter((event) => event.action === action)
  const pullers = () => new Set(told('pull').map(({ source }) => source.instanceID))
  await expect.poll(() => pullers().size, { timeout: 60_000 }).toBe(WORKERS)
  const digests = () => new Set(told('push').map(({ target }) => target.digest))
  await expect.poll(() => digests().size, { timeout: 60_000 }).toBe(PUSHES)
  expect(digests()).toEqual(new Set(pushed))
})
