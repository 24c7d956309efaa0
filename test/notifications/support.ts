import { expect } from 'vitest'
import { type RunningRegistry, startRegistry } from '../../src/app.ts'
import { configOf } from '../../src/config/load.ts'
import { ProcessLog } from '../../src/observability/process-log.ts'
import { RegistryClient } from '../support/registry-client.ts'

export interface NotifyingOptions {
  /** The section `notifications`. */
  readonly notifications: Record<string, unknown>
  readonly storage: Record<string, unknown>
  readonly http?: Record<string, unknown>
}

/** A whole registry in this process, on a free port. */
export class NotifyingRegistryUnderTest implements AsyncDisposable {
  readonly url: string
  readonly client: RegistryClient
  readonly #running: RunningRegistry
  #isClosed = false

  private constructor(running: RunningRegistry) {
    this.#running = running
    this.url = running.address
    this.client = new RegistryClient(running.address)
  }

  static async start({
    notifications,
    storage,
    http,
  }: NotifyingOptions): Promise<NotifyingRegistryUnderTest> {
    const config = configOf({
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { ...storage, delete: { enabled: true } },
      http: { addr: '127.0.0.1:0', ...http },
      notifications,
    })
    return new NotifyingRegistryUnderTest(await startRegistry(config, await ProcessLog.open(config.log)))
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#running.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Waits until something is so. */
export async function until(isSo: () => boolean): Promise<void> {
  await expect.poll(isSo).toBe(true)
}
