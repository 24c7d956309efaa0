import { isPathNotFound } from '../../core/errors.ts'
import type { GrowingFile, StorageDriver } from '../../core/storage-driver.ts'
import { newMark } from '../../lib/process-identity.ts'
import { growingFilePath, journalFilePath } from './journal-files.ts'
import { encodeLine } from './journal-record.ts'

/** A file that has grown so far is followed by another one: whoever reads it reads it as a whole. */
const MAX_BYTES = 128 * 1024

/** Writes the batches of one journal, one at a time: each into an object of its own, or, on a disk, into a file that grows, which costs
 *  one sync and no name. */
export class JournalWriter {
  /** Names the journal. */
  readonly mark = newMark()
  readonly #storage: Pick<StorageDriver, 'put' | 'createGrowing'>
  #number = 0
  #file: GrowingFile | undefined
  /** When the last batch in the file was written, by the storage's clock. */
  #before: Date | undefined
  #bytes = 0

  constructor(storage: Pick<StorageDriver, 'put' | 'createGrowing'>) {
    this.#storage = storage
  }

  /** @throws RegistryError, StorageError */
  async write(lines: readonly string[], { durable }: { readonly durable: boolean }): Promise<void> {
    const text = lines.join('')
    try {
      await this.#add(text, durable)
    } catch (error) {
      // Whoever has removed the file has not removed the journal.
      if (!isPathNotFound(error)) throw error
      await this.#add(text, durable)
    }
    if (this.#bytes > MAX_BYTES) await this.close()
  }

  /** Another batch begins another file. */
  async close(): Promise<void> {
    const [file, before] = [this.#file, this.#before]
    if (file === undefined) return
    this.#leave()
    // Without the time of the last batch readers take that of the file.
    if (before !== undefined) await file.append(timeOf(before), { durable: false }).catch(() => undefined)
    await file.close().catch(() => undefined)
  }

  async #add(text: string, durable: boolean): Promise<void> {
    this.#file ??= await this.#begin()
    const file = this.#file
    if (file === undefined)
      return this.#storage.put(journalFilePath(this.mark, this.#number++), Buffer.from(text), { durable })
    const content = Buffer.concat([...(this.#before ? [timeOf(this.#before)] : []), Buffer.from(text)])
    try {
      this.#before = await file.append(content, { durable })
    } catch (error) {
      this.#leave()
      await file.close().catch(() => undefined)
      throw error
    }
    this.#bytes += content.byteLength
  }

  async #begin(): Promise<GrowingFile | undefined> {
    const created = this.#storage.createGrowing?.(growingFilePath(this.mark, this.#number))
    if (created === undefined) return undefined
    this.#number++
    return created
  }

  #leave(): void {
    this.#file = undefined
    this.#before = undefined
    this.#bytes = 0
  }
}

function timeOf(before: Date): Buffer {
  return Buffer.from(encodeLine({ before: before.getTime() }))
}
