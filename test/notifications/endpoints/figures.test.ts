/** What the metrics of an endpoint say of what was delivered, what waits, and what was given up. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { EventReceiver, eventsIn } from '../../support/event-receiver.ts'
import { Exposition } from '../../support/exposition.ts'
import { freePort } from '../../support/free-port.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const HOST = '127.0.0.1'
const patiently = { timeout: 60_000, interval: 100 }

test('metrics count what is delivered, what fails, what waits and for how long, and what is given up', async () => {
  await using receivers = new AsyncDisposableStack()
  const start = async () => receivers.use(await EventReceiver.start())
  const [good, picky, impatient, gone] = [await start(), await start(), await start(), await start()]
  picky.answer = ({ body }, response) =>
    response.writeHead(eventsIn(body)[0]?.target.repository === 'bad' ? 503 : 200).end()
  impatient.answer = (_, response) => response.destroy()
  gone.answer = (_, response) => response.writeHead(410).end()
  await using folder = await temporaryFolder()
  const addr = `${HOST}:${await freePort(HOST)}`
  const retries = { threshold: 2, backoff: '20ms', maxbackoff: '50ms', ignore: { actions: ['pull'] } }
  await using server = await startEntrepot({
    ...{ dataFolder: join(folder.path, 'data'), configFolder: folder.path },
    config: {
      http: { addr: `${HOST}:0`, debug: { addr, prometheus: { enabled: true } } },
      notifications: {
        endpoints: [
          { name: 'good', url: good.url, ...retries },
          { name: 'picky', url: picky.url, ...retries },
          { name: 'impatient', url: impatient.url, deadletterafter: '100ms', ...retries },
          { name: 'gone', url: gone.url, ...retries },
        ],
      },
    },
  })
  const client = new RegistryClient(server.url)
  await client.pushBlob('bad', Buffer.from('bytes'))
  await client.pushBlob('a', Buffer.from('bytes'))
  const scrape = async () => {
    const shown = new Exposition(await (await fetch(`http://${addr}/metrics`)).text())
    return (name: string, labels: Record<string, string>) =>
      shown.value(`registry_notifications_${name}`, labels)
  }
  const value = async (name: string, endpoint: string, labels = {}) =>
    (await scrape())(name, { endpoint, ...labels })
  await expect.poll(() => value('held_repositories', 'picky'), patiently).toBe(1)
  await expect.poll(() => value('dead_letters_total', 'impatient'), patiently).toBe(2)
  await expect.poll(() => value('switched_off', 'gone'), patiently).toBe(1)
  await expect.poll(() => value('events_total', 'good', { type: 'Successes' }), patiently).toBe(2)
  const read = await scrape()
  const of =
    (endpoint: string) =>
    (name: string, labels = {}) =>
      read(name, { endpoint, ...labels })
  expect(of('good')('status_total', { code: '200 OK' })).toBe(2)
  for (const name of [
    'pending_total',
    'oldest_seconds',
    'held_repositories',
    'dead_letters_total',
    'switched_off',
  ])
    expect(of('good')(name), name).toBe(0)
  expect(of('picky')('events_total', { type: 'Successes' })).toBe(1)
  expect(of('picky')('events_total', { type: 'Failures' })).toBeGreaterThan(1)
  expect(of('picky')('status_total', { code: '503 Service Unavailable' })).toBeGreaterThan(1)
  expect(of('impatient')('events_total', { type: 'Errors' })).toBeGreaterThan(1)
  expect(of('impatient')('events_total', { type: 'Successes' })).toBe(0)

  // While nothing is answered, everything waits, and grows older.
  good.answer = () => {}
  for (const content of ['one', 'two', 'three']) await client.pushBlob('a', Buffer.from(content))
  await expect.poll(() => value('pending_total', 'good'), patiently).toBe(3)
  const age = (await value('oldest_seconds', 'good'))!
  await expect.poll(() => value('oldest_seconds', 'good'), patiently).toBeGreaterThan(age)
  good.answer = (_, response) => response.end()
  await expect.poll(() => value('pending_total', 'good'), patiently).toBe(0)
  expect(await value('oldest_seconds', 'good')).toBe(0)
})
