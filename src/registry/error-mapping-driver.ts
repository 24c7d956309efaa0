import { RegistryError, StorageError } from '../core/errors.ts'
import { type DriverOperation, ForwardingDriver, ForwardingWriter } from '../core/forwarding-driver.ts'
import type { AppendOptions, FileWriter } from '../core/storage-driver.ts'

/** The storage driver as the registry sees it. Errors that a client must hear of (a full disk, no file handle left) become a
 *  RegistryError. Errors that the registry handles itself (nothing at the path, another length) stay a StorageError, and so
 *  do those that cannot be handled. Attached once, around the whole registry. */
export class ErrorMappingDriver extends ForwardingDriver {
  override async append(path: string, options?: AppendOptions): Promise<FileWriter> {
    return new ErrorMappingWriter(await super.append(path, options))
  }

  protected override aroundCall<T>(_operation: DriverOperation, work: Promise<T>): Promise<T> {
    return work.catch(rethrow)
  }

  /** By hand: a generator around the driver's iterator would cost a small blob more promises than reading it does. */
  protected override aroundSteps<T>(_operation: DriverOperation, source: AsyncIterable<T>): AsyncIterable<T> {
    return {
      [Symbol.asyncIterator]() {
        const steps = source[Symbol.asyncIterator]()
        return {
          next: () => steps.next().catch(rethrow),
          return: async (value) => (await steps.return?.(value).catch(rethrow)) ?? { done: true, value },
        }
      },
    }
  }
}

class ErrorMappingWriter extends ForwardingWriter {
  protected override aroundCall<T>(work: Promise<T>): Promise<T> {
    return work.catch(rethrow)
  }
}

const NO_PLACE = 'the storage has something else where this belongs, or has no place for it'

function rethrow(error: unknown): never {
  if (error instanceof StorageError) {
    if (error.code === 'NO_SPACE') throw new RegistryError('INSUFFICIENT_STORAGE', { cause: error })
    // Such as a stray file where a folder belongs: it is for the operator to remove, and the log says where it is.
    if (error.code === 'PATH_INVALID')
      throw new RegistryError('UNAVAILABLE', { message: NO_PLACE, cause: error })
    if (error.code === 'TOO_MANY_OPEN_FILES' || error.code === 'BUSY')
      throw new RegistryError('UNAVAILABLE', { cause: error })
  }
  throw error
}
