import type { StorageError } from '../../core/errors.ts'
import type { MoveOptions } from '../../core/storage-driver.ts'

/** Base of drivers of object stores: maps their errors to `StorageError` in one place. */
export abstract class ObjectStoreDriver {
  /** Validates a path and returns the object's key.
   *  @throws StorageError PATH_INVALID */
  protected abstract keyOf(path: string): string

  /** Maps an error of the store. A StorageError is returned as it is. */
  protected abstract toStorageError(cause: unknown, path: string): StorageError

  abstract move(from: string, to: string, options?: MoveOptions): Promise<boolean>

  /** Copies an object within the store: a move that leaves its source. */
  async copy(from: string, to: string): Promise<void> {
    await this.move(from, to, { mayStay: true })
  }

  /** Does nothing: acknowledged objects are durable. */
  async settle(path: string): Promise<void> {
    this.keyOf(path)
  }

  /** Runs requests for a path and maps their errors. */
  protected async calling<T>(path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      throw this.toStorageError(cause, path)
    }
  }

  /** Iterates over requests for a path and maps their errors. */
  protected async *callingEach<T>(path: string, source: AsyncIterable<T>): AsyncIterable<T> {
    try {
      yield* source
    } catch (cause) {
      throw this.toStorageError(cause, path)
    }
  }

  /** The key of a file to be written once `after` resolves. `after` may reject before it is awaited, if the
   *  path is invalid. */
  protected keyToPut(path: string, after: Promise<unknown> | undefined): string {
    after?.catch(() => undefined)
    return this.keyOf(path)
  }
}
