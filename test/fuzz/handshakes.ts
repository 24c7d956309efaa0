/** Connections that come to no request: what stands in place of a handshake, or breaks one off. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import type { Random } from '../support/random.ts'
import { endConnection, writeInPieces } from './pieces.ts'

/** A handshake for whichever protocol, ended at any moment, also just behind its end. */
export async function breakOffHandshake(port: number, random: Random): Promise<void> {
  const protocols = random.pick([['h2'], ['http/1.1'], ['acme-tls/1'], ['h2', 'acme-tls/1'], ['spdy/3'], []])
  const servername = random.pick(['localhost', 'other.example', '__proto__'])
  const address = { host: '127.0.0.1', port, servername }
  const socket = connect({ ...address, rejectUnauthorized: false, ALPNProtocols: protocols })
  socket.on('error', () => {})
  if (random.below(2) === 0) await delay(random.below(5))
  else await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]).catch(() => {})
  await endConnection(socket, random)
}

/** @param bare a connection on which nothing was sent yet */
export async function writeNonsense(bare: Socket, random: Random): Promise<void> {
  const bytes = random.pick([
    () => random.bytes(random.below(500)),
    () => Buffer.concat([Buffer.from('1603010200010001fc0303', 'hex'), random.bytes(random.below(600))]),
    () => Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    () => Buffer.from('P'),
    () => Buffer.from('PRI * HTTP/2.0\r\n\r\nSM'),
    () => Buffer.alloc(0),
  ])()
  await writeInPieces(bare, [bytes], random)
  await endConnection(bare, random)
}
