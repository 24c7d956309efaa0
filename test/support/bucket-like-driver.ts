import type {
  AppendOptions,
  DeleteOptions,
  FileVersion,
  FileWriter,
  MoveOptions,
  StorageDriver,
  SyncOptions,
} from '../../src/core/storage-driver.ts'
import { FaultyDriver } from './faulty-driver.ts'

/** Another driver that makes use of all that saves a bucket trips: a file that should be empty is opened only when what
 *  was written to it is to be kept, so that it is only then that a wrong offset shows; a file that may stay where it is
 *  moved from stays; and of a folder whose files are named nothing else is removed. */
export class BucketLikeDriver extends FaultyDriver {
  readonly #driver: StorageDriver

  constructor(driver: StorageDriver) {
    super(driver)
    this.#driver = driver
  }

  override async append(path: string, options: AppendOptions = {}): Promise<FileWriter> {
    if (options.offset !== 0) return super.append(path, options)
    return new LateWriter(() => this.#driver.append(path, options))
  }

  override async move(from: string, to: string, options: MoveOptions = {}): Promise<boolean> {
    const content = options.mayStay === true ? await this.#driver.get(from) : undefined
    const isMoved = await super.move(from, to, options)
    if (isMoved && content !== undefined) await this.#driver.put(from, content)
    return isMoved
  }

  override async delete(path: string, options: DeleteOptions = {}): Promise<void> {
    const { knownChildren } = options
    if (knownChildren === undefined) return super.delete(path, options)
    for (const name of knownChildren) await super.delete(`${path}/${name}`, options)
  }
}

class LateWriter implements FileWriter {
  readonly #open: () => Promise<FileWriter>
  readonly #waiting: Uint8Array[] = []
  #size = 0
  #opened: Promise<FileWriter> | undefined
  #writer: FileWriter | undefined

  constructor(open: () => Promise<FileWriter>) {
    this.#open = open
  }

  get size(): number {
    return this.#size
  }

  get version(): FileVersion | undefined {
    return this.#writer?.version
  }

  write(chunk: Uint8Array): undefined {
    this.#waiting.push(chunk)
    this.#size += chunk.byteLength
  }

  async sync(options?: SyncOptions): Promise<void> {
    await (await this.#flushed()).sync(options)
  }

  async close(): Promise<void> {
    await (await this.#flushed()).close()
  }

  async #flushed(): Promise<FileWriter> {
    this.#opened ??= this.#open()
    const writer = await this.#opened
    this.#writer = writer
    for (const chunk of this.#waiting.splice(0)) await writer.write(chunk)
    return writer
  }
}
