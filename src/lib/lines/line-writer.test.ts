import { once } from 'node:events'
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventEmitter } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ByteSink, type OnTaken, openSink } from './byte-sink.ts'
import { LineWriter } from './line-writer.ts'

/** A sink that takes bytes only when told to. */
class ToldSink implements ByteSink {
  readonly maxWriteBytes = 20
  isBroken = false
  isClosed = false
  /** The bytes taken so far. */
  text = ''
  /** The pending write. */
  offered: { readonly text: string; readonly onTaken: OnTaken } | undefined
  readonly #events = new EventEmitter()

  write(bytes: Uint8Array, onTaken: OnTaken): void {
    this.offered = { text: Buffer.from(bytes).toString(), onTaken }
    this.#events.emit('offer')
  }

  /** Resolves to the next write. */
  async offer(): Promise<string> {
    if (this.offered === undefined) await once(this.#events, 'offer')
    return this.offered!.text
  }

  /** Takes the next write, or a part of it. */
  async take(bytes?: number): Promise<string> {
    const taken = Buffer.from(await this.offer()).subarray(0, bytes)
    this.text += taken.toString()
    this.#answer(null, taken.length)
    return taken.toString()
  }

  async fail(code: string): Promise<void> {
    await this.offer()
    this.#answer(Object.assign(new Error(code), { code }), 0)
  }

  writeAtOnce(bytes: Uint8Array): void {
    this.text += Buffer.from(bytes).toString()
  }

  close(): void {
    this.isClosed = true
  }

  #answer(error: Error | null, takenBytes: number): void {
    const { onTaken } = this.offered!
    this.offered = undefined
    onTaken(error, takenBytes)
  }
}

let sink: ToldSink
let failures: string[]
let writer: LineWriter
beforeEach(() => {
  sink = new ToldSink()
  failures = []
  writer = open()
})
afterEach(() => writer.close(0))

function open(options: { sinks?: ByteSink[]; maxWaiting?: number } = {}): LineWriter {
  const { sinks = [sink], maxWaiting = 100 } = options
  const onFailure = ({ message }: Error) => void failures.push(message)
  return new LineWriter({ open: () => sinks.shift() ?? sink, maxWaiting, onFailure })
}

describe('lines', () => {
  it('gathers the lines of some turns when one was written just before', async () => {
    writer.write('one\n')
    await sink.take()
    writer.write('two\n')
    await new Promise((resolve) => setImmediate(resolve))
    writer.write('three\n')
    expect(await sink.take()).toBe('two\nthree\n')
  })

  it('goes on at once with more than one write takes', async () => {
    writer.write('one\n')
    await sink.take()
    const long = 'a line of 19 bytes\n'
    for (let count = 0; count < 3; count++) writer.write(long)
    expect(await sink.take()).toBe(long)
    expect(sink.offered?.text).toBe(long)
  })

  it('go out in their order, whole, as many as a write should have', async () => {
    for (const line of [
      'one\n',
      'two\n',
      'three\n',
      'a long line of its own, longer than a write\n',
      'last\n',
    ]) {
      expect(writer.write(line)).toBe(true)
    }
    expect(await sink.take()).toBe('one\ntwo\nthree\n')
    expect(await sink.take()).toBe('a long line of its own, longer than a write\n')
    expect(await sink.take()).toBe('last\n')
  })

  it('are counted in bytes', async () => {
    for (const line of ['äöüäöüäö\n', 'ä\n', 'b\n']) writer.write(line)
    expect(await sink.take()).toBe('äöüäöüäö\nä\n')
    expect(await sink.take()).toBe('b\n')
  })

  it('of which a part was taken are finished first', async () => {
    writer.write('one\n')
    await sink.take(2)
    writer.write('two\n')
    expect(await sink.offer()).toBe('e\n')
    await sink.take()
    await sink.take()
    expect(sink.text).toBe('one\ntwo\n')
  })

  it('are refused when too many wait, and taken again when there is room', async () => {
    const lines = Array.from({ length: 20 }, (_, index) => `line ${String(index).padStart(4)}\n`)
    expect(lines.filter((line) => writer.write(line))).toHaveLength(10)
    await sink.take()
    expect(writer.write('one more\n')).toBe(true)
    while (!sink.text.endsWith('one more\n')) await sink.take()
    expect(sink.text).toBe(`${lines.slice(0, 10).join('')}one more\n`)
  })
})

describe('what fails', () => {
  it('is tried again, told of once, and nothing of it is lost or twice there', async () => {
    writer.write('one\n')
    await sink.fail('ENOSPC')
    writer.write('two\n')
    await sink.fail('ENOSPC')
    expect(await sink.take()).toBe('one\n')
    expect(await sink.take()).toBe('two\n')
    writer.write('three\n')
    await sink.fail('EIO')
    await sink.take()
    expect(failures).toEqual(['ENOSPC', 'EIO'])
    expect(sink.text).toBe('one\ntwo\nthree\n')
  })

  it('for want of room is no failure', async () => {
    writer.write('one\n')
    await sink.fail('EAGAIN')
    expect(await sink.take()).toBe('one\n')
    expect(failures).toEqual([])
  })

  it('with the sink goes out through another one', async () => {
    await writer.close(0)
    const [first, second] = [new ToldSink(), new ToldSink()]
    writer = open({ sinks: [first, second] })
    writer.write('one\n')
    await first.offer()
    first.isBroken = true
    await first.fail('EPIPE')
    expect(await second.take()).toBe('one\n')
    expect(first.isClosed).toBe(true)
  })

  it('to open for want of room is tried again; with another reason it is an error', async () => {
    let code = 'ENOSPC'
    const failing = (): ByteSink => {
      if (code === '') return sink
      throw Object.assign(new Error(code), { code })
    }
    const late = new LineWriter({ open: failing })
    late.write('one\n')
    code = ''
    expect(await sink.take()).toBe('one\n')
    await late.close(0)
    code = 'EACCES'
    expect(() => new LineWriter({ open: failing })).toThrow('EACCES')
  })
})

it('says when nothing waits any more, and takes what is said then', async () => {
  let count = 0
  writer.whenDrained(() => {
    count += 1
    if (count === 1) writer.write('drained\n')
  })
  writer.write('one\n')
  expect(await sink.take()).toBe('one\n')
  expect(await sink.take()).toBe('drained\n')
  expect(count).toBe(2)
})

describe('closing', () => {
  it('waits for what is written, and takes no more then', async () => {
    writer.write('one\n')
    const closed = writer.close(10_000)
    writer.write('two\n')
    await sink.take()
    await sink.take()
    await closed
    expect([sink.text, sink.isClosed, writer.write('three\n')]).toEqual(['one\ntwo\n', true, false])
  })

  it('waits no longer than it may, nor for what cannot be written', async () => {
    writer.write('one\n')
    await writer.close(10)
    const other = open()
    sink.offered = undefined
    other.write('two\n')
    const closed = other.close(60_000)
    await sink.fail('ENOSPC')
    await closed
  })

  it('is at once when nothing waits', async () => {
    await writer.close(60_000)
    expect(sink.isClosed).toBe(true)
  })
})

describe('a file', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'entrepot-lines-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('that was moved away is begun anew, and no line is divided', async () => {
    const path = join(folder, 'log')
    const file = new LineWriter({ open: () => openSink(path) })
    const line = (number: number) => `${String(number).padEnd(99, '.')}\n`
    for (let number = 0; number < 3000; number++) file.write(line(number))
    await expect.poll(() => readFile(path, 'utf8')).not.toBe('')
    await rename(path, `${path}.1`)
    file.reopen()
    for (let number = 3000; number < 6000; number++) file.write(line(number))
    await file.close(10_000)
    const texts = [await readFile(`${path}.1`, 'utf8'), await readFile(path, 'utf8')]
    expect(texts.join('')).toBe(Array.from({ length: 6000 }, (_, number) => line(number)).join(''))
    expect(texts.map((text) => text.length % 100)).toEqual([0, 0])
    expect(texts[1]?.length).toBeGreaterThan(0)
  })
})
