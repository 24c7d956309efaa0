import { type DriverOperation, ForwardingDriver, ForwardingWriter } from '../core/forwarding-driver.ts'
import type { AppendOptions, FileWriter, StorageDriver, SyncOptions } from '../core/storage-driver.ts'
import type { SpanOptions, Tracer } from '../core/tracing/tracer.ts'

/** Makes a span of each call of storage that a request waits for. Background work, of which nothing is traced, makes none. */
export class TracedDriver extends ForwardingDriver {
  readonly #tracer: Tracer

  constructor(driver: StorageDriver, tracer: Tracer) {
    super(driver)
    this.#tracer = tracer
  }

  override async append(path: string, options?: AppendOptions): Promise<FileWriter> {
    const writer = await this.aroundCall('append', this.driver.append(path, options), path)
    return new TracedWriter(writer, (operation, work) =>
      this.#tracer.inSpan(this.#optionsOf(operation, path), work),
    )
  }

  protected override aroundCall<T>(operation: DriverOperation, work: Promise<T>, path?: string): Promise<T> {
    return this.#tracer.inSpan(this.#optionsOf(operation, path), () => work)
  }

  protected override aroundSteps<T>(
    operation: DriverOperation,
    source: AsyncIterable<T>,
    path?: string,
  ): AsyncIterable<T> {
    return this.#tracer.aroundSteps(this.#optionsOf(operation, path), source)
  }

  #optionsOf(operation: string, path: string | undefined): SpanOptions {
    return {
      name: `storage ${operation}`,
      attributes: {
        'entrepot.storage.driver': this.name,
        'entrepot.storage.operation': operation,
        'entrepot.storage.path': path,
      },
    }
  }
}

type InSpan = (operation: string, work: () => Promise<void>) => Promise<void>

/** Single writes make no spans: there are too many. */
class TracedWriter extends ForwardingWriter {
  readonly #inSpan: InSpan

  constructor(writer: FileWriter, inSpan: InSpan) {
    super(writer)
    this.#inSpan = inSpan
  }

  override sync(options?: SyncOptions): Promise<void> {
    return this.#inSpan('sync', () => super.sync(options))
  }

  override close(): Promise<void> {
    return this.#inSpan('close', () => super.close())
  }
}
