/** The thread that takes in bytes. It never returns to its event loop: messages are read when they are needed. */
import { createHash, type Hash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { Answer, MemoryMessage, WriteFailure } from './messages.ts'
import { OPERATIONS, type Task, TaskQueue } from './task-queue.ts'

interface OpenFile {
  readonly descriptor: number
  position: number
  /** After it nothing more is written. */
  failure?: WriteFailure
}

const TWO_TO_32 = 2 ** 32

const port = parentPort
if (port === null) throw new Error('this is the code of a thread')
const queue = new TaskQueue(workerData as SharedArrayBuffer)
const memories = new Map<number, Uint8Array>()
const hashes = new Map<number, Hash>()
const files = new Map<number, OpenFile>()

for (;;) {
  const task = queue.next()
  const answer = perform(task)
  queue.finish()
  if (answer !== undefined) port.postMessage(answer)
}

function perform({ operation, target, memory, offset, length }: Task): Answer | undefined {
  switch (operation) {
    case OPERATIONS.hash:
      hashOf(target).update(memoryOf(memory).subarray(offset, offset + length))
      return undefined
    case OPERATIONS.digest:
      return { number: offset, digest: hashOf(target).copy().digest('hex') }
    case OPERATIONS.endHash:
      hashes.delete(target)
      return undefined
    case OPERATIONS.openFile:
      files.set(target, { descriptor: memory, position: (offset >>> 0) + length * TWO_TO_32 })
      return undefined
    case OPERATIONS.write:
      return write(target, memoryOf(memory).subarray(offset, offset + length))
    case OPERATIONS.endFile:
      files.delete(target)
      return undefined
    case OPERATIONS.report:
      return { number: offset }
    case OPERATIONS.forget:
      memories.delete(memory)
      return undefined
  }
}

function write(number: number, bytes: Uint8Array): Answer | undefined {
  const file = files.get(number)
  if (file === undefined) throw new Error(`file ${number} is not known`)
  if (file.failure !== undefined) return undefined
  try {
    writeFully(file, bytes)
    return undefined
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    file.failure = { message, code }
    return { number, failure: file.failure }
  }
}

/** Writes all bytes, also if the system takes only parts. */
function writeFully(file: OpenFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const written = writeSync(file.descriptor, bytes, at, bytes.length - at, file.position)
    if (written === 0) throw new Error('the system wrote nothing and reported no error')
    at += written
    file.position += written
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
