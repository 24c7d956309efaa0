import type { StorageError } from '../../core/errors.ts'

/** The base of drivers of object stores: their errors become `StorageError` in one place. */
export abstract class ObjectStoreDriver {
  /** Checks a path and returns the object's key.
   *  @throws StorageError PATH_INVALID */
  protected abstract keyOf(path: string): string

  /** Translates an error of the store. A StorageError stays as it is. */
  protected abstract toStorageError(cause: unknown, path: string): StorageError

  /** Objects are durable as soon as the store has acknowledged them. */
  async settle(path: string): Promise<void> {
    this.keyOf(path)
  }

  /** Runs requests about a path. */
  protected async calling<T>(path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      throw this.toStorageError(cause, path)
    }
  }

  /** Yields from requests about a path. */
  protected async *callingEach<T>(path: string, source: AsyncIterable<T>): AsyncIterable<T> {
    try {
      yield* source
    } catch (cause) {
      throw this.toStorageError(cause, path)
    }
  }

  /** The key of a file to be written once `after` resolves. `after` may reject before it is awaited, if the path is refused. */
  protected keyToPut(path: string, after: Promise<unknown> | undefined): string {
    after?.catch(() => undefined)
    return this.keyOf(path)
  }
}
