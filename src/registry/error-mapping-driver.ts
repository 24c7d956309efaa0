import { RegistryError, StorageError } from '../core/errors.ts'
import { type DriverOperation, ForwardingDriver, ForwardingWriter } from '../core/forwarding-driver.ts'
import type { AppendOptions, FileWriter, GrowingFile } from '../core/storage-driver.ts'

/** Maps errors of the storage driver. Errors that clients must know (a full disk, no file handle left) become
 *  a RegistryError; those that the registry handles itself (path not found, another length) and unexpected
 *  ones stay a StorageError. Wrapped once, around the registry's driver. */
export class ErrorMappingDriver extends ForwardingDriver {
  override async append(path: string, options?: AppendOptions): Promise<FileWriter> {
    return new ErrorMappingWriter(await super.append(path, options))
  }

  override createGrowing(path: string): Promise<GrowingFile> | undefined {
    return super.createGrowing(path)?.then((file) => ({
      append: (content, options) => file.append(content, options).catch(rethrow),
      close: () => file.close().catch(rethrow),
    }))
  }

  protected override aroundCall<T>(_operation: DriverOperation, work: Promise<T>): Promise<T> {
    return work.catch(rethrow)
  }

  /** Written by hand: for a small blob, a generator around the driver's iterator would cost more promises
   *  than the read. */
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

const NO_PLACE = 'the path is occupied or invalid on the storage'

function rethrow(error: unknown): never {
  if (error instanceof StorageError) {
    if (error.code === 'NO_SPACE') throw new RegistryError('INSUFFICIENT_STORAGE', { cause: error })
    // For example a file where a folder belongs. The operator must remove it; the log has its path.
    if (error.code === 'PATH_INVALID')
      throw new RegistryError('UNAVAILABLE', { message: NO_PLACE, cause: error })
    if (error.code === 'TOO_MANY_OPEN_FILES' || error.code === 'BUSY')
      throw new RegistryError('UNAVAILABLE', { cause: error })
  }
  throw error
}
