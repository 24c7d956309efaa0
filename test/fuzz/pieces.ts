/** How bytes are sent, and how a connection ends. */

import type { Socket } from 'node:net'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import type { Random } from '../support/random.ts'

/** Several parts at once, or parts of one; one after the other, or with a little time between them. It stops where the other
 *  side has ended the connection. */
export async function writeInPieces(socket: Socket, parts: readonly Buffer[], random: Random): Promise<void> {
  const atOnce = random.pick([1, 3, 20, parts.length])
  for (let n = 0; n < parts.length && !socket.destroyed; n += atOnce) {
    const bytes = Buffer.concat(parts.slice(n, n + atOnce))
    const cut = random.below(3) === 0 ? random.below(bytes.length) : bytes.length
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      if (piece.length === 0) continue
      socket.write(piece)
      await pause(random)
    }
  }
}

async function pause(random: Random): Promise<void> {
  const kind = random.below(10)
  if (kind === 0) await delay(random.below(5))
  else if (kind < 5) await nextTurn()
}

/** As long as an answer to what was sent may be waited for. */
const PATIENCE_MS = 20

/** With a word or without, before the answers have come or after; in the end it is gone. */
export async function endConnection(socket: Socket, random: Random): Promise<void> {
  if (random.below(2) === 0) await delay(random.below(PATIENCE_MS))
  if (random.below(3) === 0) {
    socket.end()
    await delay(random.below(PATIENCE_MS))
  }
  if (random.below(2) === 0 && !('encrypted' in socket)) socket.resetAndDestroy()
  else socket.destroy()
}
