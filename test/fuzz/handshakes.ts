/** Connections that come to no request: what stands in place of a handshake, or breaks one off. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:tls'
import type { Random } from '../support/random.ts'
import { endConnection, writeInPieces } from './pieces.ts'

/** @param bare a connection on which nothing was sent yet */
export async function fuzzHandshake(bare: Socket, random: Random): Promise<number> {
  await random.pick([breakOff, breakOff, writeNonsense])(bare, random)
  return 1
}

/** A handshake for whichever protocol, ended at any moment, also just behind its end. */
async function breakOff(bare: Socket, random: Random): Promise<void> {
  const protocols = random.pick([['h2'], ['http/1.1'], ['acme-tls/1'], ['h2', 'acme-tls/1'], ['spdy/3'], []])
  const servername = random.pick(['localhost', 'other.example', '__proto__'])
  const socket = connect({ socket: bare, servername, rejectUnauthorized: false, ALPNProtocols: protocols })
  socket.on('error', () => {})
  if (random.below(2) === 0)
    await Promise.race([once(socket, 'secureConnect'), once(bare, 'close')]).catch(() => {})
  await endConnection(bare, random)
  socket.destroy()
}

async function writeNonsense(bare: Socket, random: Random): Promise<void> {
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
