/** What several processes measure is shown as one. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Exposition } from '../support/exposition.ts'
import { RegistryOfWorkers } from './support.ts'

let registry: RegistryOfWorkers
beforeEach(async () => {
  const debug = { addr: '127.0.0.1:0', prometheus: { enabled: true } }
  registry = await RegistryOfWorkers.start(2, { http: { debug } })
})
afterEach(() => registry[Symbol.asyncDispose]())

async function scrape(): Promise<Exposition> {
  const { debugAddress } = await registry.logged(({ msg }) => msg === 'debug server listening')
  const answer = await fetch(`${debugAddress}/metrics`)
  expect(answer.status).toBe(200)
  return new Exposition(await answer.text())
}

async function countedHeads(): Promise<number | undefined> {
  return (await scrape()).value('registry_http_requests_total', {
    handler: 'blob',
    method: 'head',
    code: '404',
  })
}

test('requests to all workers are added up, and stay counted when a worker is gone', async () => {
  const connections = await registry.connectToEach(2)
  const absent = `HEAD /v2/a/blobs/sha256:${'0'.repeat(64)}`
  for (const connection of connections) {
    for (let time = 0; time < 5; time++) expect((await connection.send(absent)).status).toBe(404)
  }
  await expect.poll(countedHeads, { timeout: 15_000 }).toBe(10)
  const [killed, other] = connections
  process.kill(await registry.pidOf(killed!.worker), 'SIGKILL')
  await registry.logged(({ worker, signal }) => worker === killed!.worker && signal === 'SIGKILL')
  await other!.send(absent)
  await expect.poll(countedHeads, { timeout: 15_000 }).toBe(11)
  await registry.pidOf(3)
  expect(await countedHeads()).toBe(11)
})

test('a worker that is stuck keeps nobody from seeing what there is', async () => {
  const connections = await registry.connectToEach(2)
  const absent = `HEAD /v2/a/blobs/sha256:${'0'.repeat(64)}`
  for (const connection of connections) await connection.send(absent)
  await expect.poll(countedHeads, { timeout: 15_000 }).toBe(2)
  const [stuck, other] = connections
  process.kill(await registry.pidOf(stuck!.worker), 'SIGSTOP')
  await other!.send(absent)
  await expect.poll(countedHeads, { timeout: 15_000 }).toBe(3)
})

test('a debug address that is taken keeps all from starting', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const addr = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const started = RegistryOfWorkers.start(2, { http: { debug: { addr } } })
  await expect(started).rejects.toThrow(/ended with 1[\s\S]*http\.debug\.addr: .*EADDRINUSE/)
  taken.close()
})
