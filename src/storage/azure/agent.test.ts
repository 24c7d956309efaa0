import { once } from 'node:events'
import { createServer, type RequestListener, request, type Server } from 'node:http'
import { createServer as createTlsServer, request as requestByTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { Authority } from '../../../test/support/authority.ts'
import { agentFor } from './agent.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

async function listen(server: Server): Promise<number> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const answer: RequestListener = (_incoming, outgoing) => outgoing.end('answer')

it('a connection on which nothing moves is given up', async () => {
  const port = await listen(createServer(() => undefined))
  const url = `http://127.0.0.1:${port}`
  const agent = agentFor(url, { skipverify: false, idleMilliseconds: 50 })
  const asked = request(url, { agent }).end()
  const [error] = await once(asked, 'error').catch((cause: unknown) => [cause])
  expect(error).toMatchObject({ code: 'ETIMEDOUT' })
  agent.destroy()
})

it('a connection that is used again is still watched', async () => {
  let count = 0
  const port = await listen(
    createServer((incoming, outgoing) => (count++ === 0 ? answer(incoming, outgoing as never) : undefined)),
  )
  const url = `http://127.0.0.1:${port}`
  const agent = agentFor(url, { skipverify: false, idleMilliseconds: 200 })
  const [incoming] = await once(request(url, { agent }).end(), 'response')
  await once(incoming.resume(), 'end')
  const asked = request(url, { agent }).end()
  const [error] = await once(asked, 'error').catch((cause: unknown) => [cause])
  expect(error).toMatchObject({ code: 'ETIMEDOUT' })
  expect(asked.reusedSocket).toBe(true)
  agent.destroy()
})

it.each([true, false])(
  'a certificate that nobody vouches for is taken where it is said so: %s',
  async (skipverify) => {
    const { cert, key } = await (await Authority.create('nobody')).issue('registry')
    const url = `https://127.0.0.1:${await listen(createTlsServer({ cert, key }, answer))}`
    const agent = agentFor(url, { skipverify })
    const asked = requestByTls(url, { agent }).end()
    const outcome = await once(asked, 'response').then(
      ([incoming]) => incoming.statusCode,
      (cause: NodeJS.ErrnoException) => cause.code,
    )
    expect(outcome).toBe(skipverify ? 200 : 'UNABLE_TO_VERIFY_LEAF_SIGNATURE')
    agent.destroy()
  },
)
