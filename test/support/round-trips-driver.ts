import type {
  DeleteOptions,
  Entry,
  FileInfo,
  ListOptions,
  PutOptions,
} from '../../src/core/storage-driver.ts'
import { FaultyDriver } from './faulty-driver.ts'

/** A driver whose calls are answered together, all that were made at a time: how often says how long a client waits for
 *  what is far away, as the number of calls says what it costs. */
export class RoundTripsDriver extends FaultyDriver {
  rounds = 0
  #next: Promise<void> | undefined

  override async stat(path: string): Promise<FileInfo> {
    await this.#answers()
    return super.stat(path)
  }

  override async get(path: string): Promise<Uint8Array> {
    await this.#answers()
    return super.get(path)
  }

  override async put(path: string, content: Uint8Array, options?: PutOptions): Promise<void> {
    await options?.after
    await this.#answers()
    return super.put(path, content, options)
  }

  override async *list(folder: string, options?: ListOptions): AsyncIterable<Entry> {
    await this.#answers()
    yield* super.list(folder, options)
  }

  override async delete(path: string, options?: DeleteOptions): Promise<void> {
    await this.#answers()
    return super.delete(path, options)
  }

  #answers(): Promise<void> {
    this.#next ??= new Promise((resolve) => {
      setImmediate(() => {
        this.rounds++
        this.#next = undefined
        resolve()
      })
    })
    return this.#next
  }
}
