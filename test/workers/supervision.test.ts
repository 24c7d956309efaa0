/** Workers that end, or do not answer. */
import { spawnSync } from 'node:child_process'
import { expect, test, vi } from 'vitest'
import { RawConnection } from '../support/raw-connection.ts'
import { type KeptConnection, RegistryOfWorkers } from './support.ts'

const PING = 'GET /v2/'

/** Fulfilled when the process is no more; one that nobody has asked about is none either. */
async function gone(pid: number): Promise<void> {
  const state = () => spawnSync('ps', ['-o', 'stat=', '-p', String(pid)]).stdout.toString()
  await vi.waitFor(() => expect(state()).toMatch(/^(Z|$)/), { timeout: 20_000, interval: 50 })
}

async function twoConnections(registry: RegistryOfWorkers): Promise<[KeptConnection, KeptConnection]> {
  return (await registry.connectToEach(2)) as [KeptConnection, KeptConnection]
}

test('another worker takes the place of one that was killed, and the others serve on', async () => {
  await using registry = await RegistryOfWorkers.start(2)
  const digest = await registry.client.pushBlob('a', Buffer.from('bytes'))
  const [killed, other] = await twoConnections(registry)
  process.kill(await registry.pidOf(killed.worker), 'SIGKILL')
  await registry.logged(({ worker, msg }) => worker === killed.worker && /has ended/.test(String(msg)))
  expect((await other.send(PING)).status).toBe(200)
  const { worker: next } = await registry.logged(
    ({ worker, msg }) => msg === 'a worker listens' && ![1, 2].includes(worker as number),
  )
  const connections = await registry.connectToEach(2)
  expect(connections.map(({ worker }) => worker).toSorted()).toEqual([other.worker, next].toSorted())
  for (const connection of connections) {
    expect((await connection.send(`GET /v2/a/blobs/${digest}`)).status).toBe(200)
  }
  expect((await other.send(`DELETE /v2/a/blobs/${digest}`)).status).toBe(202)
  for (const connection of connections) {
    expect((await connection.send(`HEAD /v2/a/blobs/${digest}`)).status).toBe(404)
  }
})

test('when all workers are killed at once, others take their places', async () => {
  await using registry = await RegistryOfWorkers.start(2)
  for (const worker of [1, 2]) process.kill(await registry.pidOf(worker), 'SIGKILL')
  for (const worker of [3, 4]) await registry.pidOf(worker)
  expect(await registry.server.stop()).toBe(0)
})

test('a worker that is asked to end finishes what runs, and another takes its place', async () => {
  await using registry = await RegistryOfWorkers.start(2)
  const [asked] = await twoConnections(registry)
  process.kill(await registry.pidOf(asked.worker), 'SIGTERM')
  await registry.logged(({ worker, code }) => worker === asked.worker && code === 0)
  await registry.pidOf(3)
})

test('a delete does not wait for ever for a worker that is stuck, and the stuck one shows nothing old', async () => {
  await using registry = await RegistryOfWorkers.start(2)
  const digest = await registry.client.pushBlob('a', Buffer.from('bytes'))
  const [stuck, other] = await twoConnections(registry)
  for (const connection of [stuck, other]) {
    expect((await connection.send(`HEAD /v2/a/blobs/${digest}`)).status).toBe(200)
  }
  const pid = await registry.pidOf(stuck.worker)
  process.kill(pid, 'SIGSTOP')
  const waiting = stuck.send(`HEAD /v2/a/blobs/${digest}`).catch((error: Error) => error)
  expect((await other.send(`DELETE /v2/a/blobs/${digest}`)).status).toBe(202)
  expect(await waiting).toBeInstanceOf(Error)
  await gone(pid)
  await registry.logged(({ worker, msg }) => worker === stuck.worker && /does not answer/.test(String(msg)))
  await registry.pidOf(3)
  for (const connection of await registry.connectToEach(2)) {
    expect((await connection.send(`HEAD /v2/a/blobs/${digest}`)).status).toBe(404)
  }
})

test('a connection that was on its way to a worker that ended is closed', async () => {
  await using registry = await RegistryOfWorkers.start(2)
  const [stuck, other] = await twoConnections(registry)
  const pid = await registry.pidOf(stuck.worker)
  process.kill(pid, 'SIGSTOP')
  const connections = await Promise.all(Array.from({ length: 4 }, () => RawConnection.open(registry.port)))
  for (const connection of connections)
    connection.writeHead('GET /v2/ HTTP/1.1', 'Host: a', 'Connection: close')
  const answered = () => connections.filter(({ received }) => received.includes('200 OK')).length
  await vi.waitFor(() => expect(answered()).toBe(3))
  process.kill(pid, 'SIGKILL')
  await Promise.all(connections.map(({ closed }) => closed))
  expect(answered()).toBe(3)
  expect((await other.send(PING)).status).toBe(200)
})

test('workers whose supervisor is killed finish what runs, and end', async () => {
  await using registry = await RegistryOfWorkers.start(2)
  const { location } = await registry.client.beginUpload('a')
  const [one, other] = await twoConnections(registry)
  const pids = await Promise.all([one, other].map(({ worker }) => registry.pidOf(worker)))
  using patch = await RawConnection.open(registry.port)
  patch.writeHead(`PATCH ${location} HTTP/1.1`, 'Host: a', 'Content-Length: 8', 'Expect: 100-continue')
  await patch.until(/100 Continue/)
  patch.write('half')
  process.kill(registry.server.pid, 'SIGKILL')
  await registry.logged(({ msg }) => msg === 'the supervisor has ended: draining')
  patch.write('done')
  expect(await patch.until(/HTTP\/1\.1 202 [\s\S]*\r\n\r\n/)).toMatch(/^range: 0-7\r$/im)
  for (const pid of pids) await gone(pid)
})
