import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { BlockList } from 'node:net'
import { expect, test } from 'vitest'
import type { HttpSettings } from '../settings.ts'
import { requestOrigin } from './request-origin.ts'

const trustedProxies = new BlockList()
trustedProxies.addAddress('10.0.0.1')

const settings = { trustedProxies, prefix: '', publicUrl: undefined, relativeUrls: false } as HttpSettings

function originsOn(remoteAddress: string) {
  const socket = { remoteAddress, remotePort: 4000 }
  return (headers: IncomingHttpHeaders) =>
    requestOrigin({ headers, socket, method: 'GET' } as IncomingMessage, { id: 'x', actor: '', settings })
}

test('requests of one connection may name different hosts and programs', () => {
  const originOf = originsOn('192.0.2.1')
  const [one, other] = [
    { host: 'one.test', 'user-agent': 'a' },
    { host: 'other.test', 'user-agent': 'b' },
  ]
  for (const headers of [one, one, other, one])
    expect(originOf(headers)).toMatchObject({
      ...{ address: '192.0.2.1:4000', host: headers.host, userAgent: headers['user-agent'] },
      baseUrl: `http://${headers.host}`,
    })
})

test('a proxy speaks for another client in each request of its connection', () => {
  const originOf = originsOn('10.0.0.1')
  const addresses = [{}, { 'x-forwarded-for': '192.0.2.7' }, { forwarded: 'for=192.0.2.8' }, {}].map(
    (headers) => originOf({ host: 'one.test', ...headers }).address,
  )
  expect(addresses).toEqual(['10.0.0.1:4000', '192.0.2.7', '192.0.2.8', '10.0.0.1:4000'])
})
