/** The thread that computes SHA-256. It never returns to its event loop: messages are read when they are needed. */
import { createHash, type Hash } from 'node:crypto'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { Answer, MemoryMessage } from './messages.ts'
import { OPERATIONS, type Task, TaskQueue } from './task-queue.ts'

const port = parentPort
if (port === null) throw new Error('this is the code of a thread')
const queue = new TaskQueue(workerData as SharedArrayBuffer)
const memories = new Map<number, Uint8Array>()
const hashes = new Map<number, Hash>()

for (;;) {
  const task = queue.next()
  const answer = perform(task)
  queue.finish()
  if (answer !== undefined) port.postMessage(answer)
}

function perform({ operation, hash, memory, offset, length }: Task): Answer | undefined {
  switch (operation) {
    case OPERATIONS.update:
      hashOf(hash).update(memoryOf(memory).subarray(offset, offset + length))
      return undefined
    case OPERATIONS.digest:
      return { number: offset, digest: hashOf(hash).copy().digest('hex') }
    case OPERATIONS.report:
      return { number: offset, digest: undefined }
    case OPERATIONS.end:
      hashes.delete(hash)
      return undefined
    case OPERATIONS.forget:
      memories.delete(memory)
      return undefined
  }
}

function hashOf(number: number): Hash {
  const known = hashes.get(number)
  if (known !== undefined) return known
  const hash = createHash('sha256')
  hashes.set(number, hash)
  return hash
}

function memoryOf(number: number): Uint8Array {
  for (let known = memories.get(number); ; known = memories.get(number)) {
    if (known !== undefined) return known
    const received = receiveMessageOnPort(port!)
    if (received === undefined) throw new Error(`memory ${number} is not known`)
    const message = received.message as MemoryMessage
    memories.set(message.number, new Uint8Array(message.memory))
  }
}
