/** Sends a file through a ring of two reusable buffers: while the socket writes the one, the disk fills the other. */
import { open } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'

const bufferBytes = 512 * 1024

interface Slot {
  readonly buffer: Buffer
  /** Settles when the socket no longer needs the buffer. */
  written: Promise<void>
}
type Ring = readonly [Slot, Slot]

const idleRings: Ring[] = []

/** Answers the first `size` bytes of the file at `path` as the body of `response` and ends it. */
export async function sendFile(path: string, size: number, response: ServerResponse): Promise<void> {
  await using file = await open(path)
  const ring = idleRings.pop() ?? [makeSlot(), makeSlot()]
  for (let position = 0, turn = 0; position < size && !response.destroyed; turn++) {
    const slot = ring[turn % 2]!
    await slot.written
    const { bytesRead } = await file.read(slot.buffer, 0, Math.min(bufferBytes, size - position), position)
    position += bytesRead
    slot.written = write(response, slot.buffer.subarray(0, bytesRead))
  }
  await Promise.all(ring.map((slot) => slot.written))
  idleRings.push(ring)
  response.end()
}

function makeSlot(): Slot {
  return { buffer: Buffer.allocUnsafeSlow(bufferBytes), written: Promise.resolve() }
}

/** A client that went away has no more use for the buffer either, so an error settles the write too. */
function write(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => response.write(bytes, () => resolve()))
}
